/** How the cluster is: its picture, what happens now, and every shard by itself. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Cluster } from './api.ts';
import { Chart } from './chart.tsx';
import { shardColour } from './colours.ts';
import type { Moment, ShardFigures } from './figures.ts';
import { bytes, count, percent, seconds } from './format.ts';
import type { Live } from './hooks.ts';
import { Bar, Card } from './parts.tsx';
import { Ring } from './ring.tsx';

export function Overview({ live, theme }: { readonly live: Live; readonly theme: string }): JSX.Element {
  const { cluster, statistics, moments } = live;
  const [lit, setLit] = useState<string>();
  if (cluster === undefined || statistics === undefined) return <p class="empty">Asking the cluster …</p>;
  return (
    <div class="overview">
      <Tiles moment={moments.at(-1)} />
      <div class="picture">
        <Card title="Cluster" aside={<Moving cluster={cluster} />}>
          <Ring cluster={cluster} lit={lit} onLight={setLit} />
        </Card>
        <div class="charts">
          <Charts moments={moments} theme={theme} />
        </div>
      </div>
      <ul class="shards" aria-label="Shards">
        {cluster.shards.map(({ name, slots, link }) => (
          <li key={name} onMouseEnter={() => setLit(name)} onMouseLeave={() => setLit(undefined)}>
            <Shard
              name={name}
              slots={slots}
              link={link}
              colour={shardColour(
                cluster.shards.map((shard) => shard.name),
                name,
              )}
              figures={statistics.shards.find((shard) => shard.name === name)}
            />
          </li>
        ))}
      </ul>
    </div>
  );
}

function Moving({ cluster }: { readonly cluster: Cluster }): JSX.Element {
  if (cluster.moving === 0) return <span class="badge">all in place</span>;
  return <span class="badge badge-warm">{`${count(cluster.moving)} on the move`}</span>;
}

function Tiles({ moment }: { readonly moment: Moment | undefined }): JSX.Element {
  const tiles: [label: string, value: string, hint: string][] = [
    ['Hit rate', percent(moment?.hitRate), 'of reads'],
    ['Commands', moment ? `${count(moment.commandsPerSecond)}/s` : '–', 'through here'],
    ['Latency p50', seconds(moment?.p50), 'of commands'],
    ['Latency p99', seconds(moment?.p99), 'of commands'],
    ['Keys', moment ? count(moment.keys) : '–', moment ? `${count(moment.blocks)} blocks` : ''],
    ['Evictions', moment ? `${count(moment.evictionsPerSecond)}/s` : '–', 'copies, keys'],
    ['Blob lag', moment ? seconds(moment.blobLagSeconds) : '–', 'not yet there'],
    ['Errors', moment ? `${count(moment.errorsPerSecond)}/s` : '–', 'of commands'],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([label, value, hint]) => (
        <div class="tile" key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
          <small>{hint}</small>
        </div>
      ))}
    </dl>
  );
}

function Charts({ moments, theme }: { readonly moments: readonly Moment[]; readonly theme: string }): JSX.Element {
  const times = moments.map(({ timeMs }) => timeMs / 1_000);
  const of = (value: (moment: Moment) => number | undefined): (number | null)[] =>
    moments.map((moment) => value(moment) ?? null);
  const common = { times, theme };
  return (
    <>
      <Card title="Commands a second">
        <Chart
          {...common}
          format={count}
          lines={[
            { label: 'commands', colour: 'accent', values: of((moment) => moment.commandsPerSecond), isFilled: true },
            { label: 'errors', colour: 'bad', values: of((moment) => moment.errorsPerSecond) },
          ]}
        />
      </Card>
      <Card title="Latency">
        <Chart
          {...common}
          format={seconds}
          lines={[
            { label: 'p50', colour: 'accent', values: of((moment) => moment.p50) },
            { label: 'p99', colour: 'warm', values: of((moment) => moment.p99) },
          ]}
        />
      </Card>
      <Card title="Hit rate">
        <Chart
          {...common}
          format={percent}
          lines={[{ label: 'hits', colour: 'good', values: of((moment) => moment.hitRate), isFilled: true }]}
        />
      </Card>
      <Card title="Bytes by tier">
        <Chart
          {...common}
          format={bytes}
          isBytes
          lines={[
            { label: 'RAM', colour: 'ram', values: of((moment) => moment.bytes.ram) },
            { label: 'disk', colour: 'disk', values: of((moment) => moment.bytes.disk) },
            { label: 'Blob', colour: 'blob', values: of((moment) => moment.bytes.blob) },
          ]}
        />
      </Card>
    </>
  );
}

function Shard({
  name,
  slots,
  link,
  colour,
  figures,
}: {
  readonly name: string;
  readonly slots: number;
  readonly link: string | undefined;
  readonly colour: string;
  readonly figures: ShardFigures | undefined;
}): JSX.Element {
  const { hot, disk, blob, reads, handover } = figures ?? {};
  const fault = figures?.error ?? figures?.fault ?? (figures === undefined ? 'asks elsewhere for this one' : undefined);
  return (
    <article class="shard">
      <header>
        <span class="dot" style={{ background: colour }} />
        <h3>{name}</h3>
        {link !== undefined && <span class={`badge link-badge-${link}`}>{link}</span>}
      </header>
      {fault !== undefined && <p class="said said-failed">{fault}</p>}
      <p class="shard-line">
        {`${count(slots)} slots · ${count(figures?.keys ?? 0)} keys · ${count(figures?.blocks ?? 0)} blocks`}
        {figures?.links !== undefined && figures.links > 0 ? ` · linked by ${figures.links}` : ''}
      </p>
      {hot && <Level label="RAM" tone="ram" used={hot.bytes} most={hot.bytesMax} />}
      {disk && <Level label="disk" tone="disk" used={disk.bytes} most={disk.bytesMax} />}
      {blob && (
        <div class="level">
          <span>Blob</span>
          <span class={`badge ${blob.state === 'available' ? '' : 'badge-bad'}`}>{blob.state}</span>
          <span class="level-text">{`${bytes(blob.bytes)}, ${seconds(blob.lagMs / 1_000)} behind`}</span>
        </div>
      )}
      {reads && reads.hot + reads.cold + reads.miss > 0 && (
        <p class="shard-line">
          {`reads: ${percent(reads.hot / total(reads))} RAM, ${percent(reads.cold / total(reads))} below, ` +
            `${percent(reads.miss / total(reads))} missed`}
        </p>
      )}
      {handover !== undefined && handover.slotsArriving > 0 && (
        <p class="shard-line shard-warm">
          {`${handover.slotsArriving} slots arriving, ${bytes(handover.bytesLeft)} to go`}
        </p>
      )}
    </article>
  );
}

function total({ hot, cold, miss }: NonNullable<ShardFigures['reads']>): number {
  return hot + cold + miss;
}

function Level({
  label,
  tone,
  used,
  most,
}: {
  readonly label: string;
  readonly tone: string;
  readonly used: number;
  readonly most: number;
}): JSX.Element {
  return (
    <div class="level">
      <span>{label}</span>
      <Bar share={most === 0 ? 0 : used / most} tone={tone} />
      <span class="level-text">{`${bytes(used)} of ${bytes(most)}`}</span>
    </div>
  );
}
