import { describe, expect, it } from 'vitest';
import * as views from '#cli/views.ts';

describe('statistics', () => {
  it('ask for everything without a selector', () => {
    expect(views.statisticsView([]).parameters).toEqual({ statistics: ['all'] });
    expect(views.statisticsView(['tm:', 'active_dialogs']).parameters).toEqual({
      statistics: ['tm:', 'active_dialogs'],
    });
  });

  it('of several nodes stand side by side, with their sum', () => {
    const results = { 1: { 'tm:inuse': 1, 'dialog:active': 4 }, 2: { 'tm:inuse': 20 } };
    expect(views.formatNodes(views.statisticsView([]), results)).toBe(
      'statistic      node 1  node 2  total\ntm:inuse            1      20     21\ndialog:active       4              4\n',
    );
  });

  it('of a node that could not answer are its error, beside the others', () => {
    const results = { 1: { 'tm:inuse': 1 }, 2: { error: { code: -32601, message: 'Method not found' } } };
    expect(views.formatNodes(views.statisticsView([]), results)).toBe(
      'node 1\n  tm:inuse  1\n\nnode 2\n  error: Method not found\n',
    );
  });
});

describe('dialogs', () => {
  const dialog = {
    ID: '1',
    state: 4,
    callid: 'abc@host',
    from_uri: 'sip:a@x',
    to_uri: 'sip:b@x',
    datestart: '2026-11-23 09:00:00',
    CALLEES: [],
  };

  it('are rows with the state in words', () => {
    expect(views.dialogsView.format({ Dialogs: [dialog] })).toMatch(
      /^1 +confirmed +abc@host +sip:a@x +sip:b@x/m,
    );
  });

  it('are none when there are none', () => {
    expect(views.dialogsView.format({ Dialogs: [] })).toBe('(no dialogs)\n');
    expect(views.dialogsView.format('unexpected')).toBe('(no dialogs)\n');
  });
});

describe('contacts', () => {
  it('are one row each over all domains', () => {
    const result = {
      Domains: [
        {
          name: 'location',
          AORs: [
            {
              AOR: 'alice',
              Contacts: [{ Contact: 'sip:a@1.2.3.4', Expires: 100, Q: '1' }, { Contact: 'sip:a@5.6.7.8' }],
            },
          ],
        },
      ],
    };
    const lines = views.contactsView.format(result).trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^location +alice +sip:a@1\.2\.3\.4 +100 +1$/);
  });
});

describe('profiles', () => {
  it('are the list of all, or the values of one', () => {
    expect(views.profilesView(undefined).method).toBe('dialog:list_all_profiles');
    const one = views.profilesView('caller');
    expect(one).toMatchObject({ method: 'dialog:profile_get_values', parameters: { profile: 'caller' } });
    expect(one.format([{ value: 'alice', count: 2 }])).toBe('value  dialogs\nalice        2\n');
    expect(one.format([])).toBe('(no values)\n');
  });
});
