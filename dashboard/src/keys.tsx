/** The key browser: keys by prefix with what is known of each, and one of them opened. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { askJson, type KeyFacts, type KeyName } from './api.ts';
import { pathOfKey } from './bytes.ts';
import { bytes, seconds } from './format.ts';
import { KeyPanel } from './key-panel.tsx';
import { useAction, useRemembered } from './hooks.ts';
import { Card, Field, Said, Tier, valueOf } from './parts.tsx';

const pageKeys = 50;
/** Keys described at the same time. */
const describedAtOnce = 8;

interface Page {
  readonly keys: KeyName[];
  readonly cursor: string | undefined;
}

export function Keys(): JSX.Element {
  const [prefix, setPrefix] = useRemembered('prefix', '');
  const [page, setPage] = useState<Page>({ keys: [], cursor: undefined });
  const [facts, setFacts] = useState<ReadonlyMap<string, KeyFacts | undefined>>(new Map());
  const [open, setOpen] = useState<KeyName | 'new' | undefined>();
  const [outcome, run] = useAction();

  const describe = async (keys: readonly KeyName[]): Promise<void> => {
    const left = [...keys];
    const worker = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const path = pathOfKey(next.key, next.encoding);
        const known = await askJson<KeyFacts>('GET', `/api/v1/keys/${path}?preview=0`).catch(() => undefined);
        setFacts((all) => new Map(all).set(path, known));
      }
    };
    await Promise.all(Array.from({ length: describedAtOnce }, worker));
  };
  /** Of the last search: an earlier one may be answered later. */
  const asked = useRef(0);
  const load = (wanted: string, after: Page | undefined): void => {
    const search = ++asked.current;
    run(async () => {
      const query = new URLSearchParams({ prefix: wanted, limit: `${pageKeys}`, cursor: after?.cursor ?? '' });
      const found = await askJson<Page>('GET', `/api/v1/keys?${query.toString()}`);
      if (search !== asked.current) return '';
      const keys = [...(after?.keys ?? []), ...found.keys];
      setPage({ keys, cursor: found.cursor });
      void describe(found.keys);
      if (keys.length === 0) return 'No key begins with this.';
      return `${keys.length} ${keys.length === 1 ? 'key' : 'keys'}${found.cursor ? ', and more' : ''}`;
    });
  };
  useEffect(() => load(prefix, undefined), []);
  // On a narrow page the opened key stands below the list.
  useEffect(() => {
    if (open !== undefined) document.querySelector('.split-side')?.scrollIntoView({ block: 'nearest' });
  }, [open]);

  return (
    <div class="split">
      <Card
        title="Keys"
        aside={
          <button type="button" onClick={() => setOpen('new')}>
            New key
          </button>
        }
      >
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            load(prefix, undefined);
          }}
        >
          <Field label="Prefix">
            <input
              type="search"
              value={prefix}
              onInput={(event) => setPrefix(valueOf(event))}
              placeholder="user:"
              data-search
              spellcheck={false}
            />
          </Field>
          <button type="submit" class="primary">
            Search
          </button>
        </form>
        <Said outcome={outcome} />
        <ul class="keys" onKeyDown={walk}>
          {page.keys.map((name) => {
            const path = pathOfKey(name.key, name.encoding);
            const isOpen = open !== undefined && open !== 'new' && pathOfKey(open.key, open.encoding) === path;
            return (
              <li key={path}>
                <button type="button" class="key" aria-pressed={isOpen} onClick={() => setOpen(name)}>
                  <span class="key-name">{name.encoding ? `base64 ${name.key}` : name.key}</span>
                  <Facts facts={facts.get(path)} />
                </button>
              </li>
            );
          })}
        </ul>
        {page.cursor !== undefined && (
          <button type="button" onClick={() => load(prefix, page)}>
            More keys
          </button>
        )}
      </Card>
      <div class="split-side">
        {open === undefined ? (
          <Card>
            <p class="empty">Choose a key to see its value, or make a new one.</p>
          </Card>
        ) : (
          <KeyPanel
            key={open === 'new' ? '' : pathOfKey(open.key, open.encoding)}
            name={open === 'new' ? undefined : open}
            onChanged={(changed) => {
              setOpen(changed);
              load(prefix, undefined);
            }}
          />
        )}
      </div>
    </div>
  );
}

function Facts({ facts }: { readonly facts: KeyFacts | undefined }): JSX.Element {
  if (facts === undefined) return <span class="key-facts" />;
  return (
    <span class="key-facts">
      <span class="badge">{facts.type}</span>
      <Tier name={facts.tier} />
      <span>{bytes(facts.bytes)}</span>
      <span>{facts.ttl_ms < 0 ? 'no expiry' : `expires in ${seconds(facts.ttl_ms / 1_000)}`}</span>
    </span>
  );
}

/** Arrows go from key to key. */
function walk(event: KeyboardEvent): void {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
  const buttons = [...(event.currentTarget as HTMLElement).querySelectorAll('button')];
  const next = buttons.indexOf(document.activeElement as HTMLButtonElement) + (event.key === 'ArrowDown' ? 1 : -1);
  buttons[next]?.focus();
  event.preventDefault();
}
