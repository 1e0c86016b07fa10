// An emergency room as the gateway shows it (gateway/api/rooms.py).
export type MemberState = 'invited' | 'joined' | 'publishing' | 'silent' | 'gone'

export interface Member {
  id: string
  kind: 'person' | 'camera' | 'terminal'
  name: string
  username: string | null
  camera_code: string | null
  state: MemberState
  reason: string | null
  joined_at: string
}

/** What the chair has ordered about a member (gateway/rooms/consultation.py). */
export interface Seat {
  chair: boolean
  place: 'room' | 'lobby'
  muted: boolean
  mode: 'both' | 'speak_only' | 'listen_only'
  asks_to_speak: boolean
  sharing: boolean
  /** The chair lets it turn the room's cameras. */
  steers: boolean
  username: string | null
}

/** A terminal being rung, or that could not be reached. */
export interface Ring {
  id: string
  name: string
  address: string
  state: 'calling' | 'ringing' | 'answered' | 'failed'
  reason: string | null
}

export interface Consultation {
  seats: Record<string, Seat>
  invited: { name: string; username: string | null }[]
  locked: boolean
  lobby: boolean
  main_site: string | null
  broadcast: string | null
  pushed: string[]
  roll_call: { current: string; waiting: string[]; present: string[]; absent: string[] } | null
  patrol: { cameras: string[]; at: number } | null
  recording: { kind: 'composed' | 'sources'; by: string } | null
  layout: string
  ends_at: number | null
  rings: Ring[]
}

/** Something that happened in the room. */
export interface RoomEntry {
  id: string
  room_id: string
  at: string
  who: string
  kind: string
  data: Record<string, unknown>
}

export interface Room {
  id: string
  title: string
  number: string | null
  state: 'scheduled' | 'open' | 'ended'
  event_no: string | null
  drill: boolean
  platform: string
  created_by: string
  created_at: string
  ended_at: string | null
  revision: number
  consultation: Consultation
  members: Member[]
}

/** Whether the room that is shown gives way to what a control answered. The stream tells each change in order, of members
 * too, which leave the revision as it is; an answer overtakes it or comes late. */
export function outdatedBy(shown: Room | null, answered: Room): boolean {
  return shown === null || answered.revision > shown.revision
}

/** Open rooms first, the newest of each on top. */
export function inOrder(rooms: readonly Room[]): Room[] {
  const rank = (room: Room): number => (room.state === 'open' ? 0 : 1)
  return [...rooms].sort((a, b) => rank(a) - rank(b) || Date.parse(b.created_at) - Date.parse(a.created_at))
}

/** Whether there is, or soon will be, something to see or hear of the member. */
export function sends(member: Member): boolean {
  return member.kind !== 'person' || member.state === 'publishing' || member.state === 'silent'
}

/** Columns of a grid that shows so many tiles as large as they can be. */
export function columnsFor(tiles: number): number {
  return Math.max(1, Math.min(5, Math.ceil(Math.sqrt(tiles))))
}

/** Whether everybody has a picture in common by the chair's order. */
export function hasStage(state: Consultation): boolean {
  const sharing = Object.values(state.seats).some((seat) => seat.sharing)
  return state.broadcast !== null || state.roll_call !== null || sharing || state.patrol !== null || state.pushed.length > 0
}
