// The minutes of a room as the gateway makes them (gateway/rooms/minutes.py).
export interface Attendance {
  name: string
  kind: 'person' | 'camera' | 'terminal'
  username: string | null
  camera_code: string | null
  joined_at: string
  left_at: string | null
  reason: string | null
}

export interface RoomRecording {
  id: string
  member_id: string | null
  starts_at: string
  ends_at: string
  size: number
  partial: boolean
  container: 'mp4' | 'webm'
}

export interface RoomOrder {
  id: string
  addressee: string
  text: string
  state: 'issued' | 'signed' | 'fed_back'
  issued_by: string
  issued_at: string
  signed_at: string | null
  fed_back_at: string | null
  feedback: string | null
}

export interface Timed {
  at: string
  who: string
  [detail: string]: unknown
}

export interface Minutes {
  room_id: string
  title: string
  event_no: string | null
  drill: boolean
  opened_at: string
  ended_at: string | null
  opened_by: string
  attendance: Attendance[]
  absent: string[]
  roll_call: { name: string | null; present: boolean; at: string }[]
  /** What was called by the plan's standing order, what did not come, or why nothing was called. */
  plan: Timed[]
  pushes: Timed[]
  controls: Timed[]
  pictures: Timed[]
  said: Timed[]
  orders: RoomOrder[]
  recordings: RoomRecording[]
}

/** `12.3 MB`. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}
