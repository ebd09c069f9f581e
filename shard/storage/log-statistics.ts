/** The log in numbers, for metrics and status. */
import type { Log } from '../log/log.ts';
import type { SegmentState } from '../log/segment-state.ts';

export function logStatistics(log: Log): Record<string, number> {
  const segments = [...log.segments.values()];
  const sum = (of: (segment: SegmentState) => number): number =>
    segments.reduce((total, segment) => total + of(segment), 0);
  return {
    sequence: log.sequence,
    segments: segments.length,
    localSegments: segments.filter((segment) => segment.file !== undefined).length,
    localBytes: log.localBytes(),
    liveBytes: sum((segment) => segment.liveBytes),
    totalBytes: sum((segment) => segment.bytes),
    pendingBytes: log.active?.writer?.pendingBytes ?? 0,
  };
}
