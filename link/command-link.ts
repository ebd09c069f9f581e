/** What those who send commands need of a link, however it reaches the process at its other end. */
import type { Command, CommandContext, ReplySink } from '../commands/command.ts';

export interface CommandLink {
  readonly address: string;
  /** Sends a command. The sink gets exactly one reply, perhaps before this returns. */
  submit(command: Command, context: CommandContext, epoch: number | undefined, sink: ReplySink, token: number): void;
  /** Ends the link; whatever is in flight fails. */
  close(): void;
}

/** What a topology needs to travel along a link. */
export interface TopologyLink extends Pick<CommandLink, 'submit'> {
  readonly shard: string;
  readonly state: 'connecting' | 'ready' | 'away' | 'closed';
  /** The topology epoch that the shard said it runs; undefined before it has said hello. */
  readonly shardEpoch: number | undefined;
}
