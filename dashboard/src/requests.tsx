/** S1's tabs of single, batch and scan: the API by hand, with its answers as they come. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { askJson } from './api.ts';
import { pathOfKey } from './bytes.ts';
import { useAction } from './hooks.ts';
import { Card, Field, Said, valueOf } from './parts.tsx';

const shown = (answer: unknown): string => JSON.stringify(answer, undefined, 2);

function Answer({ outcome }: { readonly outcome: ReturnType<typeof useAction>[0] }): JSX.Element {
  if (outcome.kind !== 'done') return <Said outcome={outcome} />;
  return (
    <pre class="answer" role="status" tabindex={0}>
      {outcome.text}
    </pre>
  );
}

export function Single(): JSX.Element {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const [ttl, setTtl] = useState('0');
  const [outcome, run] = useAction();
  const ask = (method: string, path: string, body?: object): void =>
    run(async () => shown(await askJson(method, path, body)));
  return (
    <Card title="One key">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask('GET', `/api/v1/get/${pathOfKey(key, undefined)}`);
        }}
      >
        <div class="row">
          <Field label="Key">
            <input value={key} onInput={(event) => setKey(valueOf(event))} required data-search spellcheck={false} />
          </Field>
          <Field label="Expires after seconds">
            <input inputMode="numeric" pattern="\d*" value={ttl} onInput={(event) => setTtl(valueOf(event))} />
          </Field>
        </div>
        <Field label="Value">
          <textarea rows={4} value={value} onInput={(event) => setValue(valueOf(event))} spellcheck={false} />
        </Field>
        <div class="row">
          <button type="button" onClick={() => ask('POST', '/api/v1/set', { key, value, ttl: Number(ttl) })}>
            Set
          </button>
          <button type="submit" class="primary">
            Get
          </button>
          <button type="button" onClick={() => ask('DELETE', `/api/v1/delete/${pathOfKey(key, undefined)}`)}>
            Delete
          </button>
        </div>
      </form>
      <Answer outcome={outcome} />
    </Card>
  );
}

/** A line a pair: key, `=`, value. */
function pairsOf(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=');
      return at < 0 ? [line.trim(), ''] : [line.slice(0, at).trim(), line.slice(at + 1)];
    }),
  );
}

export function Batch(): JSX.Element {
  const [pairs, setPairs] = useState('');
  const [ttl, setTtl] = useState('0');
  const [outcome, run] = useAction();
  const ask = (path: string, body: object): void => run(async () => shown(await askJson('POST', path, body)));
  const keys = (): string[] => Object.keys(pairsOf(pairs));
  return (
    <Card title="Several keys">
      <Field label="A line each: key, or key=value to set">
        <textarea
          rows={8}
          value={pairs}
          placeholder={'user:1=Ada\nuser:2=Grace'}
          onInput={(event) => setPairs(valueOf(event))}
          data-search
          spellcheck={false}
        />
      </Field>
      <Field label="Expire after seconds">
        <input inputMode="numeric" pattern="\d*" value={ttl} onInput={(event) => setTtl(valueOf(event))} />
      </Field>
      <div class="row">
        <button type="button" onClick={() => ask('/api/v1/mset', { kvs: pairsOf(pairs), ttl: Number(ttl) })}>
          Set all
        </button>
        <button type="button" class="primary" onClick={() => ask('/api/v1/mget', { keys: keys() })}>
          Get all
        </button>
        <button type="button" onClick={() => ask('/api/v1/mdelete', { keys: keys() })}>
          Delete all
        </button>
      </div>
      <Answer outcome={outcome} />
    </Card>
  );
}

export function Scan(): JSX.Element {
  const [prefix, setPrefix] = useState('');
  const [limit, setLimit] = useState('100');
  const [outcome, run] = useAction();
  return (
    <Card title="Keys and values by prefix">
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          const query = new URLSearchParams({ prefix, limit });
          run(async () => shown(await askJson('GET', `/api/v1/scan?${query.toString()}`)));
        }}
      >
        <Field label="Prefix">
          <input value={prefix} onInput={(event) => setPrefix(valueOf(event))} data-search spellcheck={false} />
        </Field>
        <Field label="Limit, at most 1000">
          <input inputMode="numeric" pattern="\d*" value={limit} onInput={(event) => setLimit(valueOf(event))} />
        </Field>
        <button type="submit" class="primary">
          Scan
        </button>
      </form>
      <Answer outcome={outcome} />
    </Card>
  );
}
