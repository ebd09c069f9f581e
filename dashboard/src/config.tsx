/** The settings in force, and changes to those that may change at run time. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { askJson } from './api.ts';
import { useAction } from './hooks.ts';
import { Card, Field, Said, valueOf } from './parts.tsx';

type Nested = Readonly<Record<string, unknown>>;

interface Facts {
  readonly name: string;
  readonly description: string;
  readonly expected: string;
  readonly changes_at_run_time: boolean;
}

function tip(facts: Facts | undefined): string {
  return facts === undefined ? 'Another name of a setting.' : `${facts.description} It must be ${facts.expected}.`;
}

/** `{ grpc: { port } }` is `grpc.port`. */
function flattened(nested: Nested, before = ''): [string, unknown][] {
  return Object.entries(nested).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
      ? flattened(value as Nested, `${before}${name}.`)
      : [[`${before}${name}`, value] as [string, unknown]],
  );
}

const written = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** What was typed, as what was there: numbers and booleans stay such. */
function typedAs(before: unknown, text: string): unknown {
  if (typeof before === 'number' && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
  if (typeof before === 'boolean' && /^(true|false)$/.test(text)) return text === 'true';
  return text;
}

export function Config(): JSX.Element {
  const [settings, setSettings] = useState<readonly [string, unknown][]>([]);
  const [changes, setChanges] = useState<ReadonlyMap<string, string>>(new Map());
  const [facts, setFacts] = useState<ReadonlyMap<string, Facts>>(new Map());
  const [filter, setFilter] = useState('');
  const [outcome, run] = useAction();
  useEffect(() => {
    run(async () => {
      const [config, known] = await Promise.all([
        askJson<Nested>('GET', '/api/v1/config'),
        askJson<readonly Facts[]>('GET', '/api/v1/settings'),
      ]);
      setSettings(flattened(config));
      setFacts(new Map(known.map((fact) => [fact.name, fact])));
      return '';
    });
  }, []);
  const change = (name: string, before: unknown, text: string): void => {
    const next = new Map(changes);
    if (text === written(before)) next.delete(name);
    else next.set(name, text);
    setChanges(next);
  };
  const apply = (): void =>
    run(async () => {
      const known = new Map(settings);
      const body = Object.fromEntries([...changes].map(([name, text]) => [name, typedAs(known.get(name), text)]));
      const answer = await askJson<{ message: string; config: Nested }>('POST', '/api/v1/config', body);
      setSettings(flattened(answer.config));
      setChanges(new Map());
      return `${answer.message}, on all shards and over restarts`;
    });
  return (
    <Card title="Settings" aside={<span class="hint">sizes in bytes, times in seconds</span>}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          apply();
        }}
      >
        <div class="row sticky">
          <Field label="Filter">
            <input
              type="search"
              value={filter}
              onInput={(event) => setFilter(valueOf(event))}
              placeholder="eviction"
              data-search
            />
          </Field>
          <button type="submit" class="primary" disabled={changes.size === 0}>
            {changes.size === 0 ? 'Nothing changed' : `Apply ${changes.size} changed`}
          </button>
          <button type="button" disabled={changes.size === 0} onClick={() => setChanges(new Map())}>
            Forget changes
          </button>
        </div>
        <Said outcome={outcome} />
        {[true, false].map((isChangeable) => (
          <fieldset key={String(isChangeable)}>
            <legend>{isChangeable ? 'These change at run time' : 'These take a restart'}</legend>
            <div class="settings">
              {settings
                .filter(
                  ([name]) => name.includes(filter) && (facts.get(name)?.changes_at_run_time ?? false) === isChangeable,
                )
                .map(([name, value]) => (
                  <label
                    key={name}
                    class={`setting ${changes.has(name) ? 'setting-changed' : ''}`}
                    title={tip(facts.get(name))}
                  >
                    <span class="mono">{name}</span>
                    <input
                      value={changes.get(name) ?? written(value)}
                      readOnly={!isChangeable}
                      spellcheck={false}
                      onInput={(event) => change(name, value, valueOf(event))}
                    />
                  </label>
                ))}
            </div>
          </fieldset>
        ))}
      </form>
    </Card>
  );
}
