// The main thread's metrics: what it knows itself, and what the router has sent, for those who may
// ask. To everybody else the page isn't there: it tells with whom the relay exchanges events.

import { compileNetworks, type Networks } from "../http/client-address.ts";
import { encodeMetrics, type Metric, METRICS_TYPE } from "../http/prometheus.ts";
import { isMetricsPath, NO_SNIFFING } from "../http/respond.ts";
import type { MetricsPiece } from "./mail-router.ts";
import { COMMIT, VERSION } from "../version.ts";

export class MetricsDesk {
  private readonly networks: Networks;
  private readonly startedAt = Date.now() / 1000;
  /** Ready to be served. */
  private routerText = "";
  private pieces: Buffer[] = [];

  /** `networks`: who may ask. */
  constructor(networks: readonly string[]) {
    this.networks = compileNetworks(networks);
  }

  onRouterMetrics({ isFirst, isLast, bytes }: MetricsPiece): void {
    if (isFirst) this.pieces = [];
    this.pieces.push(bytes);
    if (isLast) this.routerText = Buffer.concat(this.pieces).toString("utf8");
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
