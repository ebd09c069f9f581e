/** Health, metrics, and the API's document to read. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ask, askJson } from './api.ts';
import { useAction } from './hooks.ts';
import { Card, Field, Said, valueOf } from './parts.tsx';

interface Check {
  readonly path: string;
  readonly status: number;
  readonly tookMs: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export function Health(): JSX.Element {
  const [checks, setChecks] = useState<readonly Check[]>([]);
  const [outcome, run] = useAction();
  const check = (): void =>
    run(async () => {
      const paths = ['/health', '/api/v1/health', '/ready'];
      setChecks(
        await Promise.all(
          paths.map(async (path) => {
            const from = performance.now();
            const response = await ask('GET', path);
            const body = (await response.json()) as Check['body'];
            return { path, status: response.status, tookMs: performance.now() - from, body };
          }),
        ),
      );
      return `Checked at ${new Date().toLocaleTimeString()}.`;
    });
  useEffect(check, []);
  return (
    <Card
      title="Health"
      aside={
        <button type="button" onClick={check}>
          Check again
        </button>
      }
    >
      <ul class="checks">
        {checks.map(({ path, status, tookMs, body }) => (
          <li key={path} class={status === 200 ? 'check-good' : 'check-bad'}>
            <span class="mono">{path}</span>
            <strong>{String(body['status'])}</strong>
            <span>
              {(body['message'] as string | undefined) ?? (body['reasons'] as string[] | undefined)?.join(', ') ?? ''}
            </span>
            <span class="hint">{`${status}, ${tookMs.toFixed(0)} ms`}</span>
          </li>
        ))}
      </ul>
      <Said outcome={outcome} />
    </Card>
  );
}

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly (readonly [labels: string, value: string])[];
}

/** Prometheus' text form; buckets are left out, for their sums and counts say more to people. */
export function metricsOf(text: string): Metric[] {
  const byName = new Map<string, { name: string; help: string; samples: [string, string][] }>();
  let current: { name: string; help: string; samples: [string, string][] } | undefined;
  for (const line of text.split('\n')) {
    const help = /^# HELP (\S+) (.*)$/.exec(line);
    if (help) {
      current = { name: help[1]!, help: help[2]!, samples: [] };
      byName.set(current.name, current);
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)/.exec(line);
    if (sample === null || current === undefined || sample[1]!.endsWith('_bucket')) continue;
    const suffix = sample[1]!.slice(current.name.length);
    current.samples.push([`${suffix}${sample[2] ?? ''}`, sample[3]!]);
  }
  // Our own first, what every process tells of itself last.
  return [...byName.values()].sort((a, b) => Number(isGeneral(a.name)) - Number(isGeneral(b.name)));
}

function isGeneral(name: string): boolean {
  return /^(process|nodejs)_/.test(name);
}

export function Metrics(): JSX.Element {
  const [metrics, setMetrics] = useState<readonly Metric[]>([]);
  const [filter, setFilter] = useState('');
  const [outcome, run] = useAction();
  const load = (): void =>
    run(async () => {
      const response = await ask('GET', '/metrics');
      if (!response.ok) throw new Error('metrics are turned off here, or served at another path');
      setMetrics(metricsOf(await response.text()));
      return '';
    });
  useEffect(load, []);
  return (
    <Card
      title="Metrics"
      aside={
        <button type="button" onClick={load}>
          Reload
        </button>
      }
    >
      <Field label="Filter">
        <input
          type="search"
          value={filter}
          onInput={(event) => setFilter(valueOf(event))}
          placeholder="kv_get"
          data-search
        />
      </Field>
      <Said outcome={outcome} />
      <ul class="metrics">
        {metrics
          .filter(({ name, samples }) => name.includes(filter) && samples.length > 0)
          .map(({ name, help, samples }) => (
            <li key={name}>
              <div>
                <span class="mono">{name}</span>
                <small>{help}</small>
              </div>
              <dl>
                {samples.slice(0, 24).map(([labels, value]) => (
                  <div key={labels}>
                    <dt class="mono">{labels}</dt>
                    <dd class="mono">{value}</dd>
                  </div>
                ))}
              </dl>
            </li>
          ))}
      </ul>
    </Card>
  );
}

interface Operation {
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: { description?: string };
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: object }>> };
  readonly responses: Readonly<
    Record<
      string,
      { readonly description: string; readonly content?: Readonly<Record<string, { readonly schema?: object }>> }
    >
  >;
}

export function Api(): JSX.Element {
  const [operations, setOperations] = useState<readonly [string, Operation][]>([]);
  const [outcome, run] = useAction();
  useEffect(() => {
    run(async () => {
      const { paths } = await askJson<{ paths: Record<string, Record<string, Operation>> }>('GET', '/openapi.json');
      setOperations(
        Object.entries(paths).flatMap(([path, methods]) =>
          Object.entries(methods).map(
            ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as [string, Operation],
          ),
        ),
      );
      return '';
    });
  }, []);
  const tags = [...new Set(operations.flatMap(([, { tags }]) => tags))];
  return (
    <Card title="API" aside={<a href="/openapi.json">openapi.json</a>}>
      <Said outcome={outcome} />
      {tags.map((tag) => (
        <section key={tag}>
          <h3 class="api-tag">{tag}</h3>
          {operations
            .filter(([, operation]) => operation.tags.includes(tag))
            .map(([name, operation]) => (
              <OperationRow key={name} name={name} operation={operation} />
            ))}
        </section>
      ))}
    </Card>
  );
}

function OperationRow({ name, operation }: { readonly name: string; readonly operation: Operation }): JSX.Element {
  const [method, path] = name.split(' ') as [string, string];
  const schemas: [string, object][] = [
    ...Object.entries(operation.requestBody?.content ?? {}).map(([type, { schema }]): [string, object] => [
      `body, ${type}`,
      schema ?? {},
    ]),
    ...Object.entries(operation.responses)
      .filter(([status]) => status.startsWith('2'))
      .flatMap(([status, { content }]) =>
        Object.values(content ?? {}).map(({ schema }): [string, object] => [`answer ${status}`, schema ?? {}]),
      ),
  ];
  return (
    <details class="operation">
      <summary>
        <span class={`method method-${method.toLowerCase()}`}>{method}</span>
        <span class="mono">{path}</span>
        <span class="hint">{operation.summary}</span>
      </summary>
      {operation.description !== undefined && <p>{operation.description}</p>}
      {operation.parameters && (
        <ul>
          {operation.parameters.map((parameter) => (
            <li key={parameter.name}>
              <span class="mono">{parameter.name}</span>
              {` in ${parameter.in}. ${parameter.schema.description ?? ''}`}
            </li>
          ))}
        </ul>
      )}
      <p>
        {Object.entries(operation.responses)
          .map(([status, { description }]) => `${status}: ${description}`)
          .join(' ')}
      </p>
      {schemas.map(([title, schema]) => (
        <figure key={title}>
          <figcaption>{title}</figcaption>
          <pre class="answer">{JSON.stringify(schema, undefined, 2)}</pre>
        </figure>
      ))}
    </details>
  );
}
