/**
 * The cluster in one picture: the process that answers in the middle, links to the shards around it, and the 16,384
 * slots as a ring in the colours of their owners. Slots on the move have a second arc in the colour of the shard that
 * still hands them over.
 */
import type { JSX } from 'preact';
import type { Cluster } from './api.ts';
import { shardColour } from './colours.ts';

const size = 420;
const middle = size / 2;
const ringOuter = 200;
const ringInner = 172;
const movingOuter = 166;
const movingInner = 158;
const shardsRadius = 108;

function point(radius: number, share: number): string {
  const angle = share * 2 * Math.PI - Math.PI / 2;
  return `${(middle + radius * Math.cos(angle)).toFixed(2)} ${(middle + radius * Math.sin(angle)).toFixed(2)}`;
}

/** A piece of a ring between two shares of the circle. A whole circle is two halves: an arc cannot end where it begins. */
function arc(outer: number, inner: number, from: number, to: number): string {
  if (to - from > 0.999) return `${arc(outer, inner, 0, 0.5)} ${arc(outer, inner, 0.5, 0.9999)}`;
  const isLarge = to - from > 0.5 ? 1 : 0;
  return [
    `M ${point(outer, from)} A ${outer} ${outer} 0 ${isLarge} 1 ${point(outer, to)}`,
    `L ${point(inner, to)} A ${inner} ${inner} 0 ${isLarge} 0 ${point(inner, from)} Z`,
  ].join(' ');
}

export function Ring({
  cluster,
  lit,
  onLight,
}: {
  readonly cluster: Cluster;
  readonly lit: string | undefined;
  readonly onLight: (shard: string | undefined) => void;
}): JSX.Element {
  const { shards, slots, slot_count: slotCount } = cluster;
  const names = shards.map(({ name }) => name);
  const opacity = (shard: string): number => (lit === undefined || lit === shard ? 1 : 0.18);
  const text = shards.map(({ name, slots: owned }) => `${name} ${owned} slots`).join(', ');
  return (
    <svg class="ring" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={`Slots on the ring: ${text}`}>
      {slots.map(({ from, to, shard }) => (
        <path
          key={from}
          d={arc(ringOuter, ringInner, from / slotCount, (to + 1) / slotCount)}
          fill={shardColour(names, shard)}
          opacity={opacity(shard)}
          class="ring-slots"
          onMouseEnter={() => onLight(shard)}
          onMouseLeave={() => onLight(undefined)}
        >
          <title>{`${shard}: slots ${from}–${to}`}</title>
        </path>
      ))}
      {slots.map(({ from, to, source, shard }) =>
        source === undefined ? null : (
          <path
            key={`moving-${from}`}
            d={arc(movingOuter, movingInner, from / slotCount, (to + 1) / slotCount)}
            fill={shardColour(names, source)}
            class="ring-moving"
          >
            <title>{`slots ${from}–${to} move from ${source} to ${shard}`}</title>
          </path>
        ),
      )}
      {cluster.role === 'router' &&
        shards.map(({ name, link }, place) => {
          const [x, y] = point(shardsRadius, place / shards.length).split(' ');
          return (
            <line
              key={`link-${name}`}
              x1={middle}
              y1={middle}
              x2={x}
              y2={y}
              class={`ring-link link-${link ?? 'unknown'}`}
            />
          );
        })}
      {shards.map(({ name, slots: owned, link }, place) => {
        const at =
          shards.length === 1 && cluster.role === 'shard'
            ? `${middle} ${middle}`
            : point(shardsRadius, place / shards.length);
        const [x, y] = at.split(' ').map(Number) as [number, number];
        return (
          <g
            key={name}
            opacity={opacity(name)}
            onMouseEnter={() => onLight(name)}
            onMouseLeave={() => onLight(undefined)}
          >
            <circle cx={x} cy={y} r={shards.length > 10 ? 15 : 27} fill={shardColour(names, name)} class="ring-shard" />
            <text x={x} y={y + 4} class="ring-label">
              {shards.length > 10 ? place : shortName(name)}
            </text>
            <title>{`${name}: ${owned} slots${link === undefined ? '' : `, link ${link}`}`}</title>
          </g>
        );
      })}
      {(cluster.role === 'router' || shards.length > 1) && (
        <g>
          <circle cx={middle} cy={middle} r="40" class="ring-middle" />
          <text x={middle} y={middle - 4} class="ring-role">
            {cluster.role}
          </text>
          <text x={middle} y={middle + 14} class="ring-epoch">
            {`epoch ${cluster.epoch}`}
          </text>
        </g>
      )}
    </svg>
  );
}

/** Names of a cluster differ in their ends: `shard-12` is `12`. */
function shortName(name: string): string {
  return /(\d+)$/.exec(name)?.[1] ?? name.slice(0, 6);
}
