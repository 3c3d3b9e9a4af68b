import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

describe('npm start -- --once', () => {
  it('runs three nodes, places a call through them and shows who handled what', () => {
    const result = spawnSync(process.execPath, ['src/quickstart/main.ts', '--once'], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(result.stdout + result.stderr).toContain('The call was set up, answered and ended.');
    for (const message of ['INVITE', '180 INVITE', '200 INVITE', 'ACK', 'BYE', '200 BYE']) {
      expect(result.stdout).toContain(`  ${message} `);
    }
    expect(result.status).toBe(0);
  }, 70_000);
});
