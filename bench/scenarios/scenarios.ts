/** Every scenario, in the order in which they run. */
import type { Scenario } from '../harness/scenario.ts';
import { blocksScenario } from './blocks.ts';
import { durability } from './durability.ts';
import { engine } from './engine.ts';
import { growth } from './growth.ts';
import { grpcTransport } from './grpc-transport.ts';
import { hitRatioScenario } from './hit-ratio.ts';
import { kvGrpc } from './kv-grpc.ts';
import { lookup } from './lookup.ts';
import { loopStall } from './loop-stall.ts';
import { memory } from './memory.ts';
import { recovery } from './recovery.ts';
import { respLarge } from './resp-large.ts';
import { respRouter } from './resp-router.ts';
import { respSmall } from './resp-small.ts';
import { typedTcpScenario } from './typed-tcp.ts';

export const scenarios: readonly Scenario[] = [
  respSmall,
  respLarge,
  respRouter,
  typedTcpScenario,
  blocksScenario,
  kvGrpc,
  grpcTransport,
  lookup,
  engine,
  durability,
  loopStall,
  memory,
  recovery,
  growth,
  hitRatioScenario,
];
