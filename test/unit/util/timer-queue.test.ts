import { describe, expect, it } from 'vitest';
import { TimerQueue } from '#util/timer-queue.ts';

describe('after a standstill', () => {
  it('patient targets wait, others do not', () => {
    const queue = new TimerQueue();
    const fired: string[] = [];
    const patient = {
      isPatient: true,
      onTimer: (_kind: number, now: number) => fired.push(`patient ${now}`),
    };
    queue.start(0, 500, patient, 0);
    const stopped = queue.start(0, 600, patient, 0);
    queue.start(0, 500, { onTimer: (_kind, now) => fired.push(`other ${now}`) }, 0);
    let wait = 150;
    queue.patience = () => wait;
    queue.advance(5000);
    expect(fired).toEqual(['other 5000']);
    expect(queue.nextDue()).toBe(5150);
    queue.stop(stopped);
    wait = 0;
    queue.advance(5150);
    expect(fired).toEqual(['other 5000', 'patient 5150']);
    expect(queue.size).toBe(0);
  });
});

describe('when to wake up', () => {
  it('is a fiftieth of the duration late, and a tenth of a second at most', () => {
    const queue = new TimerQueue();
    expect(queue.nextAlarm()).toBe(Infinity);
    queue.start(1000, 32_000, { onTimer: () => {} }, 0);
    expect(queue.nextAlarm()).toBe(33_100);
    queue.start(1000, 500, { onTimer: () => {} }, 0);
    expect(queue.nextAlarm()).toBe(1510);
    expect(queue.nextDue()).toBe(1500);
  });

  it('is the same for timers that end soon after each other: one wake-up fires all of them', () => {
    const queue = new TimerQueue();
    const fired: number[] = [];
    for (let kind = 0; kind < 20; kind++)
      queue.start(kind * 5, 32_000, { onTimer: (which) => fired.push(which) }, kind);
    queue.advance(queue.nextAlarm());
    expect(fired).toHaveLength(20);
    expect(queue.size).toBe(0);
  });
});
