/**
 * The subcommands of Redis 7.2 of the commands that are here, HELP aside: those that this door answers, and those that
 * it does not know. A test asks for each of them.
 */
export interface Subcommands {
  readonly known: readonly string[];
  readonly missing: readonly string[];
}

export const redisSubcommands: ReadonlyMap<string, Subcommands> = new Map<string, Subcommands>([
  [
    'CLIENT',
    {
      known: ['GETNAME', 'ID', 'INFO', 'KILL', 'LIST', 'NO-EVICT', 'NO-TOUCH', 'REPLY', 'SETINFO', 'SETNAME'],
      missing: ['CACHING', 'GETREDIR', 'PAUSE', 'TRACKING', 'TRACKINGINFO', 'UNBLOCK', 'UNPAUSE'],
    },
  ],
  [
    'CLUSTER',
    {
      known: ['COUNTKEYSINSLOT', 'GETKEYSINSLOT', 'INFO', 'KEYSLOT', 'LINKS', 'MYID', 'NODES', 'SHARDS', 'SLOTS'],
      missing: [
        'ADDSLOTS',
        'ADDSLOTSRANGE',
        'BUMPEPOCH',
        'COUNT-FAILURE-REPORTS',
        'DELSLOTS',
        'DELSLOTSRANGE',
        'FAILOVER',
        'FLUSHSLOTS',
        'FORGET',
        'MEET',
        'MYSHARDID',
        'REPLICAS',
        'REPLICATE',
        'RESET',
        'SAVECONFIG',
        'SET-CONFIG-EPOCH',
        'SETSLOT',
        'SLAVES',
      ],
    },
  ],
  ['COMMAND', { known: ['COUNT', 'DOCS', 'GETKEYS', 'INFO', 'LIST'], missing: ['GETKEYSANDFLAGS'] }],
  ['CONFIG', { known: ['GET', 'RESETSTAT', 'REWRITE', 'SET'], missing: [] }],
  ['MEMORY', { known: ['USAGE'], missing: ['DOCTOR', 'MALLOC-STATS', 'PURGE', 'STATS'] }],
  ['OBJECT', { known: ['ENCODING', 'FREQ', 'IDLETIME', 'REFCOUNT'], missing: [] }],
]);
