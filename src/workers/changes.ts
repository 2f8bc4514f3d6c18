// How often anything has become visible to subscriptions: raised before the monitors are told. A
// thread that hands them a subscription sees by it whether they may have passed over an event that
// is the subscription's, and have gone to sleep since. Shared by all threads.

import { SharedCounter } from "../ring/shared-counter.ts";

export class Changes extends SharedCounter {}
