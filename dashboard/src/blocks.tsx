/** The block explorer: a prompt, and which of its blocks are cached and where. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { askJson, type BlockLookup } from './api.ts';
import { bytes } from './format.ts';
import { useAction, useRemembered } from './hooks.ts';
import { Card, Field, Said, Tier, valueOf } from './parts.tsx';

/** What `kvcache playground` writes under unless told otherwise, so that its prompts are found at once. */
const playgroundScope = {
  account: 'https://playground.invalid',
  container: 'playground',
  partition: 'playground',
} as const;

type Block = BlockLookup['blocks'][number];

/** `[1, 2, 3]`, numbers between anything, or a tokens file of the playground, of which the first prompt is taken. */
export function tokensOf(text: string): number[] | undefined {
  const trimmed = text.trim();
  if (trimmed.startsWith('{')) {
    const file = JSON.parse(trimmed) as { prompts?: { tokens?: number[] }[]; tokens?: number[] };
    return file.tokens ?? file.prompts?.[0]?.tokens;
  }
  return /^[-\d\s,[\]]*$/.test(trimmed) ? (trimmed.match(/-?\d+/g) ?? []).map(Number) : undefined;
}

export function Blocks(): JSX.Element {
  const [account, setAccount] = useRemembered('account', playgroundScope.account);
  const [container, setContainer] = useRemembered('container', playgroundScope.container);
  const [partition, setPartition] = useRemembered('partition', playgroundScope.partition);
  const [encoding, setEncoding] = useRemembered('encoding', 'cl100k_base');
  const [kind, setKind] = useState<'text' | 'tokens'>('text');
  const [prompt, setPrompt] = useState('');
  const [found, setFound] = useState<BlockLookup>();
  const [chosen, setChosen] = useState(0);
  const [outcome, run] = useAction();

  const look = (): void =>
    run(async () => {
      const tokens = kind === 'tokens' ? tokensOf(prompt) : undefined;
      if (kind === 'tokens' && tokens === undefined) throw new Error('these are no tokens: numbers, or a tokens file');
      const answer = await askJson<BlockLookup>('POST', '/api/v1/blocks/lookup', {
        account_url: account,
        container_name: container,
        partition_key: partition,
        ...(tokens ? { tokens } : { text: prompt, encoding }),
      });
      setFound(answer);
      setChosen(0);
      const { token_count: count, block_count: whole, cached_blocks: cached } = answer;
      return `${count} tokens, ${whole} whole blocks of 128: the first ${cached} are cached.`;
    });

  return (
    <div class="stack">
      <Card title="Prompt">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            look();
          }}
        >
          <div class="row">
            <Field label="Account URL">
              <input value={account} onInput={(event) => setAccount(valueOf(event))} placeholder="https://…" required />
            </Field>
            <Field label="Container">
              <input value={container} onInput={(event) => setContainer(valueOf(event))} required />
            </Field>
            <Field label="Partition key">
              <input value={partition} onInput={(event) => setPartition(valueOf(event))} />
            </Field>
          </div>
          <div class="row" role="group" aria-label="The prompt is given as">
            <button type="button" aria-pressed={kind === 'text'} onClick={() => setKind('text')}>
              Text
            </button>
            <button type="button" aria-pressed={kind === 'tokens'} onClick={() => setKind('tokens')}>
              Tokens
            </button>
            {kind === 'text' && (
              <Field label="Encoding">
                <select value={encoding} onChange={(event) => setEncoding(valueOf(event))}>
                  <option>cl100k_base</option>
                  <option>o200k_base</option>
                </select>
              </Field>
            )}
          </div>
          <Field label={kind === 'text' ? 'Text' : 'Tokens: numbers, or a tokens file of the playground'}>
            <textarea
              rows={7}
              value={prompt}
              onInput={(event) => setPrompt(valueOf(event))}
              spellcheck={false}
              required
            />
          </Field>
          <button type="submit" class="primary">
            Look up
          </button>
          <Said outcome={outcome} />
        </form>
      </Card>
      {found && found.blocks.length > 0 && (
        <Card title="Blocks">
          <ol class="chain" aria-label="Blocks of the prompt">
            {found.blocks.map((block) => (
              <li key={block.index}>
                <button
                  type="button"
                  class={`block block-${stateOf(block)}`}
                  aria-pressed={block.index === chosen}
                  title={`block ${block.index}: ${stateOf(block)}`}
                  onClick={() => setChosen(block.index)}
                >
                  {block.index}
                </button>
              </li>
            ))}
          </ol>
          <p class="hint legend">
            <span class="block block-cached">n</span> in the cached prefix
            <span class="block block-other">n</span> cached, of another chain
            <span class="block block-missing">n</span> not cached
          </p>
          {found.blocks[chosen] && <BlockDetail block={found.blocks[chosen]} />}
        </Card>
      )}
    </div>
  );
}

function stateOf(block: Block): 'cached' | 'other' | 'missing' {
  if (block.versions.length === 0) return 'missing';
  return block.versions.some((version) => version.is_in_chain) ? 'cached' : 'other';
}

function BlockDetail({ block }: { readonly block: Block }): JSX.Element {
  return (
    <article>
      <h3>{`Block ${block.index}`}</h3>
      <dl class="facts">
        <dt>Shard</dt>
        <dd>{`${block.shard}, slot ${block.slot}`}</dd>
        <dt>Digest</dt>
        <dd class="mono">{block.digest}</dd>
        <dt>Tokens</dt>
        <dd class="mono">{`${block.tokens.join(' ')} …`}</dd>
      </dl>
      {block.text !== undefined && <blockquote>{block.text}</blockquote>}
      {block.versions.length === 0 ? (
        <p class="empty">No version of this block is cached.</p>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>Hash</th>
                <th>Parent</th>
                <th>Tier</th>
                <th>Size</th>
                <th>In the prefix</th>
              </tr>
            </thead>
            <tbody>
              {block.versions.map((version) => (
                <tr key={`${version.hash}/${version.parent}`}>
                  <td class="mono">{version.hash}</td>
                  <td class="mono">{version.parent}</td>
                  <td>
                    <Tier name={version.tier} />
                  </td>
                  <td>{version.bytes === undefined ? '' : bytes(version.bytes)}</td>
                  <td>{version.is_in_chain ? 'yes' : 'no'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </article>
  );
}
