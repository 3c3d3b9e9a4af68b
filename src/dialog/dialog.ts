/** A call that is set up or going on, as every node of the cluster knows it. Plain data. */

/** OpenSIPS's numbers. */
export const dialogStates = { unconfirmed: 1, early: 2, answered: 3, confirmed: 4, deleted: 5 } as const;
export type DialogState = (typeof dialogStates)[keyof typeof dialogStates];

export interface ProfileEntry {
  /** Without its suffix (`/b`, `/s`). */
  readonly profile: string;
  /** Null in a profile without values. */
  readonly value: string | null;
}

/** What is told to the other nodes. */
export interface DialogRecord {
  /** Text of `did` in Record-Route; unique in the cluster. */
  readonly id: string;
  /** Node and incarnation that created it. */
  readonly owner: number;
  readonly incarnation: number;
  readonly state: number;
  readonly callId: string;
  readonly fromTag: string;
  readonly toTag: string;
  readonly fromUri: string;
  readonly toUri: string;
  readonly callerContact: string;
  /** Unix seconds; 0 until it is answered. */
  readonly start: number;
  /** Seconds that it may last. */
  readonly lifetime: number;
  readonly profiles: readonly {
    readonly profile: string;
    readonly value: string;
    readonly hasValue: boolean;
  }[];
}

export class Dialog {
  readonly id: string;
  readonly owner: number;
  readonly incarnation: number;
  readonly callId: string;
  readonly fromTag: string;
  readonly fromUri: string;
  readonly toUri: string;
  readonly callerContact: string;
  toTag: string;
  state: number;
  start: number;
  lifetime: number;
  endReason = '';
  flags = 0;
  profiles: ProfileEntry[] = [];
  /** `$dlg_val(…)` */
  readonly values = new Map<string, string | number | null>();
  /** True between the beginning and the end of a snapshot that has not mentioned it yet. */
  unmentioned = false;

  constructor(record: DialogRecord) {
    this.id = record.id;
    this.owner = record.owner;
    this.incarnation = record.incarnation;
    this.callId = record.callId;
    this.fromTag = record.fromTag;
    this.toTag = record.toTag;
    this.fromUri = record.fromUri;
    this.toUri = record.toUri;
    this.callerContact = record.callerContact;
    this.state = record.state;
    this.start = record.start;
    this.lifetime = record.lifetime;
  }

  record(): DialogRecord {
    const profiles = this.profiles.map(({ profile, value }) => ({
      profile,
      value: value ?? '',
      hasValue: value !== null,
    }));
    const { id, owner, incarnation, state, callId, fromTag, toTag, fromUri, toUri, callerContact } = this;
    const { start, lifetime } = this;
    return {
      id,
      owner,
      incarnation,
      state,
      callId,
      fromTag,
      toTag,
      fromUri,
      toUri,
      callerContact,
      start,
      lifetime,
      profiles,
    };
  }
}
