/** Names that travel between processes and are known beforehand, found by their bytes: no string is made of them. */
import { NameTable } from './name-table.ts';
import { OK } from './reply.ts';
import { commandTable } from './table.ts';

/** Of commands, as they stand in the table: nearly all that are sent have one of these. */
export const commandNames = new NameTable(commandTable.values(), false);

/** Of statuses. */
export const statusNames = new NameTable([{ name: OK }], false);
