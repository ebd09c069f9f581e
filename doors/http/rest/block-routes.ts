/**
 * Which blocks of a prompt are cached, and where: a Lookup that shows its work. A text is made into tokens first.
 *
 *   tokens → digest of each block → BLOCK.VERSIONS for all → the longest chain (commands/block-chain.ts)
 *          → BLOCK.INFO of every version: its size and tier
 */
import { z } from 'zod';
import { longestPrefix } from '../../../commands/block-chain.ts';
import { blockDigestOfBytes, blockKey, scopeBytes } from '../../../commands/block-key.ts';
import type { CommandContext } from '../../../commands/command.ts';
import { type Reply, ReplyError, replyErrorOf } from '../../../commands/reply.ts';
import { blockTokens, explorerBlocksMax, partitionKeyBytesMax } from '../../../limits.ts';
import { encodingNames } from '../../../tokenizer/encodings.ts';
import type { Tokenized, Tokenizer } from '../../../tokenizer/tokenizer.ts';
import type { SlotMap } from '../../../topology/slot-map.ts';
import { slotOfBlock } from '../../../topology/slot.ts';
import { type Answer, failure, invalidRequest, json } from '../answer.ts';
import { type Route, route } from '../route.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Run } from './rest-parts.ts';

const tokenBytes = 8;
const versionBytes = 16;
/** Of each block: enough to recognize it. */
const explorerTokensShown = 8;

const promptBody = z.object({
  account_url: z.string().min(1, 'is required'),
  container_name: z.string().min(1, 'is required'),
  partition_key: z
    .string()
    .refine((text) => Buffer.byteLength(text) <= partitionKeyBytesMax, {
      message: `at most ${partitionKeyBytesMax} bytes`,
    })
    .default(''),
  text: z.string().optional().meta({ description: 'The prompt; or else its tokens.' }),
  encoding: z.enum(encodingNames).default('cl100k_base').meta({ description: 'How a text is made into tokens.' }),
  tokens: z
    .array(z.int())
    .max(blockTokens * (explorerBlocksMax + 1))
    .optional(),
});

const versionSchema = z.object({
  hash: z.string().meta({ description: 'Unsigned 64-bit, decimal.' }),
  parent: z.string(),
  is_in_chain: z.boolean(),
  bytes: z.int().optional(),
  tier: z.string().optional().meta({ description: 'ram, disk, blob or away; absent where it is gone meanwhile.' }),
});

const lookupSchema = z.object({
  token_count: z.int(),
  block_count: z.int().meta({ description: `Whole blocks of ${blockTokens} tokens.` }),
  cached_blocks: z.int().meta({ description: 'The longest cached prefix.' }),
  blocks: z.array(
    z.object({
      index: z.int(),
      digest: z.string(),
      slot: z.int(),
      shard: z.string(),
      text: z.string().optional(),
      tokens: z.array(z.int()).meta({ description: 'The first of them.' }),
      versions: z.array(versionSchema),
    }),
  ),
});

type LookupAnswer = z.infer<typeof lookupSchema>;

export interface BlockRouteParts {
  readonly run: Run;
  readonly view: ClusterView;
  readonly tokenizer: Tokenizer;
}

export function blockRoutes(parts: BlockRouteParts): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/v1/blocks/lookup',
      operation: 'lookUpBlocks',
      tag: 'blocks',
      summary: 'Which blocks of a prompt are cached, and where',
      json: promptBody,
      answers: { 200: { description: 'Every whole block of the prompt.', schema: lookupSchema } },
      handle: ({ body, context }) => lookUp(parts, body, context),
    }),
  ];
}

async function lookUp(
  parts: BlockRouteParts,
  body: z.infer<typeof promptBody>,
  context: CommandContext,
): Promise<Answer> {
  const prompt = await promptOf(parts.tokenizer, body);
  if (prompt instanceof ReplyError) return failure('tokenize the text', prompt);
  const blockCount = Math.floor(prompt.tokens.length / blockTokens);
  if (blockCount > explorerBlocksMax) {
    return invalidRequest(`the prompt has ${blockCount} blocks; at most ${explorerBlocksMax} are looked at`);
  }
  const scope = { accountUrl: body.account_url, containerName: body.container_name, partitionKey: body.partition_key };
  const bytes = bytesOf(prompt.tokens);
  const scoped = scopeBytes(scope);
  const digests = Array.from({ length: blockCount }, (_, block) => blockDigestOfBytes(scoped, bytes, block));
  const versions = await versionsOf(parts.run, digests, context);
  if (versions instanceof ReplyError) return failure('look blocks up', versions);
  const chain = longestPrefix(versions, []);
  const slots = parts.view.slots();
  const blocks = await Promise.all(
    digests.map((digest, index) => {
      const found = described(parts.run, digest, versions[index] ?? null, chain[index], context);
      return found.then((known) => blockOf(index, digest, prompt, slots, known));
    }),
  );
  return json(200, {
    token_count: prompt.tokens.length,
    block_count: blockCount,
    cached_blocks: chain.length,
    blocks,
  } satisfies LookupAnswer);
}

function blockOf(
  index: number,
  digest: Buffer,
  { tokens, texts }: Tokenized,
  slots: SlotMap,
  versions: LookupAnswer['blocks'][number]['versions'],
): LookupAnswer['blocks'][number] {
  const slot = slotOfBlock(digest);
  const text = texts[index];
  const first = tokens.slice(index * blockTokens, index * blockTokens + explorerTokensShown);
  const block = { index, digest: digest.toString('hex'), slot, shard: slots.ownerOf(slot), tokens: first, versions };
  return text === undefined ? block : { ...block, text };
}

async function promptOf(
  tokenizer: Tokenizer,
  { text, encoding, tokens }: z.infer<typeof promptBody>,
): Promise<Tokenized | ReplyError> {
  if (tokens !== undefined) return { tokens, texts: [] };
  if (text === undefined) return new ReplyError('ERR', 'text or tokens is required');
  try {
    return await tokenizer.tokenize(text, encoding);
  } catch (error) {
    return replyErrorOf(error);
  }
}

function bytesOf(tokens: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(tokens.length * tokenBytes);
  for (const [place, token] of tokens.entries()) bytes.writeBigInt64BE(BigInt(token), place * tokenBytes);
  return bytes;
}

/** Of each block: 16 bytes a version, hash and parent; null for none. */
async function versionsOf(
  run: Run,
  digests: readonly Buffer[],
  context: CommandContext,
): Promise<(Buffer | null)[] | ReplyError> {
  if (digests.length === 0) return [];
  const reply = await run(
    'BLOCK.VERSIONS',
    digests.flatMap((digest, block) => [digest, `${block}`]),
    context,
  );
  if (reply instanceof ReplyError) return reply;
  const items = reply as Reply[];
  return items.find((item) => item instanceof ReplyError) ?? (items as (Buffer | null)[]);
}

async function described(
  run: Run,
  digest: Buffer,
  versions: Buffer | null,
  inChain: { readonly hash: bigint; readonly parent: bigint } | undefined,
  context: CommandContext,
): Promise<z.infer<typeof versionSchema>[]> {
  if (versions === null) return [];
  const all: Promise<z.infer<typeof versionSchema>>[] = [];
  for (let at = 0; at < versions.byteLength; at += versionBytes) {
    const hash = versions.readBigUInt64BE(at);
    const parent = versions.readBigUInt64BE(at + 8);
    const isInChain = inChain?.hash === hash && inChain.parent === parent;
    all.push(
      run('BLOCK.INFO', [blockKey(digest, hash, parent)], context).then((reply) => {
        const version = { hash: `${hash}`, parent: `${parent}`, is_in_chain: isInChain };
        if (!Buffer.isBuffer(reply)) return version;
        const { bytes, tier } = JSON.parse(reply.toString('utf8')) as { bytes: number; tier: string };
        return { ...version, bytes, tier };
      }),
    );
  }
  return Promise.all(all);
}
