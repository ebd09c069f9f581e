/** One key: what is known of it, its value as text, as JSON or in hex, and what can be done with it. */
import { Fragment, type JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ask, askJson, type KeyFacts, type KeyName, type Sibling } from './api.ts';
import { bytesOfText, hexLines, pathOfKey } from './bytes.ts';
import { bytes, seconds } from './format.ts';
import { useAction } from './hooks.ts';
import { Card, Field, Said, Tier, valueOf } from './parts.tsx';

/** Lines of hex that are shown: 16 KiB. */
const hexLinesMax = 1_024;

/** Kinds that are written as they are shown. Of a key with versions what is stored is one value of bytes. */
const scalarTypes: ReadonlySet<string> = new Set(['bytes', 'text', 'int', 'float', 'decimal', 'bool', 'versioned']);
/** Kinds that a new key may have. */
const newTypes = ['bytes', 'text', 'int', 'float', 'decimal', 'bool'] as const;

export function KeyPanel({
  name,
  onChanged,
}: {
  /** Undefined: a new one. */
  readonly name: KeyName | undefined;
  /** After a write with the key, after a delete with nothing. */
  readonly onChanged: (key: KeyName | undefined) => void;
}): JSX.Element {
  const [facts, setFacts] = useState<KeyFacts>();
  const [typed, setTyped] = useState('');
  const [text, setText] = useState('');
  const [ttl, setTtl] = useState('0');
  const [type, setType] = useState<string>('bytes');
  const [view, setView] = useState<'text' | 'hex'>('text');
  const [isSure, setSure] = useState(false);
  const [outcome, run] = useAction();
  const path = name === undefined ? pathOfKey(typed, undefined) : pathOfKey(name.key, name.encoding);

  const load = (): void =>
    run(async () => {
      const found = await askJson<KeyFacts>('GET', `/api/v1/keys/${path}`);
      setFacts(found);
      setType(found.type === 'versioned' || !scalarTypes.has(found.type) ? 'bytes' : found.type);
      setText(typeof found.value === 'string' ? found.value : JSON.stringify(found.value, undefined, 2));
      setTtl(found.ttl_ms < 0 ? '0' : `${Math.ceil(found.ttl_ms / 1_000)}`);
      setView(found.value_encoding === 'base64' ? 'hex' : 'text');
      return '';
    });
  useEffect(() => {
    if (name !== undefined) load();
  }, []);

  const write = (body: BodyInit, kind: string): void =>
    run(async () => {
      const query = new URLSearchParams({ ttl: ttl || '0', type: kind });
      await askJson('PUT', `/api/v1/values/${path}?${query.toString()}`, body);
      onChanged(name ?? { key: typed });
      if (name !== undefined) {
        const found = await askJson<KeyFacts>('GET', `/api/v1/keys/${path}`);
        setFacts(found);
        if (typeof found.value === 'string') setText(found.value);
      }
      return 'Stored.';
    });
  const remove = (): void =>
    run(async () => {
      await askJson('DELETE', `/api/v1/delete/${path}`);
      onChanged(undefined);
      return 'Deleted.';
    });
  const download = (): void =>
    run(async () => {
      const response = await ask('GET', `/api/v1/values/${path}`);
      if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
      const link = document.createElement('a');
      link.href = URL.createObjectURL(await response.blob());
      link.download = name?.key.replaceAll(/[^\w.-]/g, '_') ?? 'value';
      link.click();
      URL.revokeObjectURL(link.href);
      return 'Downloaded.';
    });

  const isEditable =
    name === undefined ||
    (facts !== undefined && scalarTypes.has(facts.type) && facts.value_encoding === undefined && !facts.is_truncated);
  return (
    <Card title={name === undefined ? 'New key' : name.encoding ? `base64 ${name.key}` : name.key}>
      {name === undefined && (
        <Field label="Key">
          <input value={typed} onInput={(event) => setTyped(valueOf(event))} spellcheck={false} />
        </Field>
      )}
      {name === undefined && (
        <Field label="Kind">
          <select value={type} onChange={(event) => setType(event.currentTarget.value)}>
            {newTypes.map((kind) => (
              <option key={kind} value={kind}>
                {kind}
              </option>
            ))}
          </select>
        </Field>
      )}
      {facts && <KeyTable facts={facts} />}
      {name !== undefined && (
        <div class="row" role="group" aria-label="View">
          <button type="button" aria-pressed={view === 'text'} onClick={() => setView('text')}>
            Text
          </button>
          <button type="button" aria-pressed={view === 'hex'} onClick={() => setView('hex')}>
            Hex
          </button>
          <button type="button" onClick={load}>
            Reload
          </button>
          <button type="button" onClick={download}>
            Download
          </button>
        </div>
      )}
      {view === 'hex' && facts ? (
        <pre class="hex" tabindex={0}>
          {hexOf(facts)}
        </pre>
      ) : (
        <Field label={isEditable ? 'Value' : 'Value (to look at)'}>
          <textarea
            rows={10}
            value={text}
            readOnly={!isEditable}
            spellcheck={false}
            onInput={(event) => setText(valueOf(event))}
          />
        </Field>
      )}
      {facts?.siblings !== undefined && <Siblings siblings={facts.siblings} />}
      {facts?.is_truncated === true && <p class="hint">Only the beginning is shown; download it to see all.</p>}
      <div class="row">
        <Field label="Expires after seconds (0: never)">
          <input inputMode="numeric" pattern="\d*" value={ttl} onInput={(event) => setTtl(valueOf(event))} />
        </Field>
        {isEditable && view === 'text' && (
          <button type="button" class="primary" disabled={path === ''} onClick={() => write(text, type)}>
            Store
          </button>
        )}
        <label class={`button ${path === '' ? 'is-disabled' : ''}`}>
          Store a file
          <input
            type="file"
            class="hidden-file"
            disabled={path === ''}
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              if (file) write(file, 'bytes');
            }}
          />
        </label>
        {name !== undefined &&
          (isSure ? (
            <>
              <button type="button" class="danger" onClick={remove}>
                Yes, delete it
              </button>
              <button type="button" onClick={() => setSure(false)}>
                Keep it
              </button>
            </>
          ) : (
            <button type="button" onClick={() => setSure(true)}>
              Delete
            </button>
          ))}
      </div>
      <Said outcome={outcome} />
    </Card>
  );
}

function KeyTable({ facts }: { readonly facts: KeyFacts }): JSX.Element {
  const expiry = facts.ttl_ms < 0 ? 'never' : `in ${seconds(facts.ttl_ms / 1_000)}`;
  return (
    <dl class="facts">
      <dt>Type</dt>
      <dd>{facts.type}</dd>
      <dt>Size</dt>
      <dd>{bytes(facts.bytes)}</dd>
      <dt>Expires</dt>
      <dd>{expiry}</dd>
      <dt>Tier</dt>
      <dd>
        <Tier name={facts.tier} />
      </dd>
      <dt>Shard</dt>
      <dd>{`${facts.shard}, slot ${facts.slot}`}</dd>
    </dl>
  );
}

/** The versions that nobody has brought together; to store a value makes one of them. */
function Siblings({ siblings }: { readonly siblings: readonly Sibling[] }): JSX.Element {
  const [first] = siblings;
  return (
    <section aria-label="Siblings">
      <p class="hint">
        {siblings.length === 1
          ? `Version ${clockOf(first!)}.`
          : `${siblings.length} siblings, newest first. Store a value to make one of them.`}
      </p>
      {siblings.length > 1 && (
        <dl class="facts">
          {siblings.map((sibling) => (
            <Fragment key={clockOf(sibling)}>
              <dt>{clockOf(sibling)}</dt>
              <dd>{shownSibling(sibling)}</dd>
            </Fragment>
          ))}
        </dl>
      )}
    </section>
  );
}

function clockOf({ version }: Sibling): string {
  const entries = Object.entries(version).map(([node, counter]) => `${node}: ${counter}`);
  return entries.length === 0 ? 'none' : entries.join(', ');
}

function shownSibling({
  is_deleted: isDeleted,
  value = '',
  value_encoding: encoding,
  is_truncated: isCut,
}: Sibling): string {
  if (isDeleted) return 'deleted';
  return `${encoding === undefined ? '' : `${encoding} `}${value}${isCut === true ? '…' : ''}`;
}

function hexOf({ value, value_encoding: encoding }: KeyFacts): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const lines = hexLines(bytesOfText(text, typeof value === 'string' ? encoding : undefined));
  return lines.length > hexLinesMax ? `${lines.slice(0, hexLinesMax).join('\n')}\n…` : lines.join('\n');
}
