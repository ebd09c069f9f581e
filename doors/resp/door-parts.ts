/** What all connections of a RESP door share, and its commands are given. */
import type { Executor } from '../../commands/command.ts';
import type { Authenticator } from '../../security/authenticator.ts';
import type { Refusals } from '../../security/figures.ts';
import type { FlowParts } from '../flow-control.ts';
import type { ReceiveMemory } from '../../receive-memory.ts';
import type { RuntimeConfig } from '../runtime-config.ts';
import type { SocketListener } from '../socket-listener.ts';
import type { Catalogue } from './catalogue.ts';
import type { ClientRegistry } from './client.ts';
import type { ClusterNodes } from './cluster-nodes.ts';
import type { DoorFigures } from './figures.ts';
import type { ReplyWriter } from './reply-writer.ts';

export interface DoorParts extends FlowParts {
  readonly executor: Executor;
  /** For large arguments; absent: new memory for each. */
  readonly memory?: ReceiveMemory | undefined;
  readonly settings: RuntimeConfig;
  readonly authenticator: Authenticator;
  readonly refusals: Refusals | undefined;
  readonly catalogue: Catalogue;
  readonly clients: ClientRegistry;
  readonly cluster: ClusterNodes;
  readonly figures: DoorFigures;
  readonly listener: SocketListener;
  /** One for all connections, which use it one after the other. */
  readonly writer: ReplyWriter;
}
