import { describe, expect, it } from 'vitest';
import { headerLines, readSettings } from '#modules/dialog/settings.ts';
import type { Failure } from '#util/failure.ts';

const values = { default_timeout: 60, rr_param: 'did', dlg_match_mode: 1 };

describe('settings of dialogs', () => {
  it('names profiles without their suffix', () => {
    const settings = readSettings(
      {
        ...values,
        profiles_with_value: 'gateway/b; user/s',
        profiles_no_value: 'all',
      },
      null,
    );
    expect((settings as Exclude<typeof settings, Failure>).profiles).toEqual(
      new Map([
        ['all', false],
        ['gateway', true],
        ['user', true],
      ]),
    );
  });

  it('refuse a mode that there is not', () => {
    expect(readSettings({ ...values, dlg_match_mode: 3 }, null)).toMatchObject({
      code: 'DIALOG_MODE_UNKNOWN',
    });
  });

  it('refuse a database mode without a database', () => {
    expect(readSettings({ ...values, db_mode: 1 }, null)).toMatchObject({ code: 'DIALOG_URL_MISSING' });
    expect(readSettings({ ...values, db_mode: 2 }, 'sqlite:///x')).toMatchObject({
      databaseUrl: 'sqlite:///x',
    });
  });

  it('end each header line, however people wrote it', () => {
    expect(headerLines('X: 1\\r\\nY: 2')).toBe('X: 1\r\nY: 2\r\n');
    expect(headerLines('X: 1\r\n')).toBe('X: 1\r\n');
    expect(headerLines(null)).toBe('');
  });
});
