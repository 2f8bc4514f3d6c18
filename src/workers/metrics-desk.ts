// The main thread's metrics: what it knows itself, and what the router has sent, for those who may
// ask. To everybody else the page isn't there: it tells with whom the relay exchanges events.

import { setting } from "../config/current.ts";
import { compileNetworks } from "../http/client-address.ts";
import { encodeMetrics, type Metric, METRICS_TYPE } from "../http/prometheus.ts";
import { isMetricsPath, NO_SNIFFING } from "../http/respond.ts";
import { COMMIT, VERSION } from "../version.ts";

export class MetricsDesk {
  private readonly networks = compileNetworks(setting("metrics.networks"));
  private readonly startedAt = Date.now() / 1000;
  private routerText = "";

  /** Ready to be served. */
  onRouterMetrics(text: string): void {
    this.routerText = text;
  }

  /** Null for what isn't asked here, or not by who may. */
  respond(request: Request, address: string, connectionCount: number): Response | null {
    const isAsked = request.method === "GET" || request.method === "HEAD";
    if (!isAsked || !isMetricsPath(request.url) || !this.networks.contains(address)) return null;
    return new Response(encodeMetrics(this.ownMetrics(connectionCount)) + this.routerText, {
      headers: { "Content-Type": METRICS_TYPE, "Cache-Control": "no-store", ...NO_SNIFFING },
    });
  }

  private ownMetrics(connectionCount: number): Metric[] {
    const build = { version: VERSION, commit: COMMIT ?? "" };
    return [
      gauge("nandu_build_info", "Which nandu this is.", 1, build),
      gauge("nandu_start_timestamp_seconds", "When the process started.", this.startedAt),
      gauge("nandu_connections", "Clients that are connected.", connectionCount),
    ];
  }
}

function gauge(
  name: string,
  help: string,
  value: number,
  labels: Readonly<Record<string, string>> = {},
): Metric {
  return { name, help, type: "gauge", samples: [{ labels, value }] };
}
