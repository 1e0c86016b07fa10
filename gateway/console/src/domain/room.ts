// An emergency room as the gateway shows it (gateway/api/rooms.py).
export type MemberState = 'invited' | 'joined' | 'publishing' | 'silent' | 'gone'

export interface Member {
  id: string
  kind: 'person' | 'camera'
  name: string
  username: string | null
  camera_code: string | null
  state: MemberState
  reason: string | null
  joined_at: string
}

export interface Room {
  id: string
  title: string
  state: 'open' | 'ended'
  event_no: string | null
  platform: string
  created_by: string
  created_at: string
  ended_at: string | null
  revision: number
  members: Member[]
}

/** Open rooms first, the newest of each on top. */
export function inOrder(rooms: readonly Room[]): Room[] {
  const rank = (room: Room): number => (room.state === 'open' ? 0 : 1)
  return [...rooms].sort((a, b) => rank(a) - rank(b) || Date.parse(b.created_at) - Date.parse(a.created_at))
}

/** Whether there is, or soon will be, something to see or hear of the member. */
export function sends(member: Member): boolean {
  return member.kind === 'camera' || member.state === 'publishing' || member.state === 'silent'
}

/** Columns of a grid that shows so many tiles as large as they can be. */
export function columnsFor(tiles: number): number {
  return Math.max(1, Math.min(5, Math.ceil(Math.sqrt(tiles))))
}
