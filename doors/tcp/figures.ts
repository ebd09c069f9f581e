/** What a door of the binary protocol counts since its start, for metrics. */
export class TcpFigures {
  commands = 0;
  /** Answered with ERROR and with INVALID. */
  errors = 0;
  invalid = 0;
  bytesRead = 0;
  bytesWritten = 0;
  /** Connections ended because they had too much unread, or did not move. */
  endedUnread = 0;
  endedStalled = 0;
}
