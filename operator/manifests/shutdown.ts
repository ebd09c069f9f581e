/**
 * How the time that a pod has to end is shared out.
 *
 *   terminationGracePeriodSeconds = delay (routers) + shutdown.grace of the process + margin
 *
 * A router that ends is still in the endpoints of its Service for a moment. It goes on serving for this delay, so that
 * nobody is sent to a door that is closed. Shards need none: routers learn of their end over the link.
 */

export const routerDrainDelaySeconds = 5;
/** Between the end of the process's own grace and the kubelet's SIGKILL. */
export const graceMarginSeconds = 5;
