import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { loopTurn } from '../loop-turn.ts';
import { SocketIntake } from './socket-intake.ts';

function intakeOver(socket: PassThrough): { intake: SocketIntake; taken: string[] } {
  const taken: string[] = [];
  const intake = new SocketIntake(socket, { mayRead: true, read: (chunk) => void taken.push(chunk.toString()) });
  socket.on('data', (chunk: Buffer) => intake.take(chunk));
  return { intake, taken };
}

function endTurn(): void {
  while (loopTurn.take(1000));
}

describe('SocketIntake', () => {
  it('reads on in the next turn of the loop when this one is over', async () => {
    const socket = new PassThrough();
    const { intake, taken } = intakeOver(socket);
    endTurn();
    socket.write('a');
    socket.write('b');
    await new Promise(process.nextTick);
    expect(intake.isWaiting).toBe(true);
    expect(socket.isPaused()).toBe(true);
    expect(taken).toEqual([]);
    while (taken.length < 2) await setImmediate();
    expect(taken).toEqual(['a', 'b']);
    expect(intake.isWaiting).toBe(false);
  });

  it('loses nothing, and keeps the order, when somebody else lets the socket flow meanwhile', async () => {
    const socket = new PassThrough();
    const { taken } = intakeOver(socket);
    endTurn();
    for (const chunk of ['a', 'b', 'c', 'd']) {
      socket.write(chunk);
      socket.resume();
      await new Promise(process.nextTick);
    }
    while (taken.length < 4) await setImmediate();
    expect(taken).toEqual(['a', 'b', 'c', 'd']);
  });
});
