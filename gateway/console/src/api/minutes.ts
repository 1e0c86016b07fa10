// `/api/v1/rooms/{id}/minutes` and the recordings that they name.
import type { Minutes, RoomRecording } from '../domain/minutes'
import { API, fetchJson } from './http'

const of = (room: string): string => `/rooms/${encodeURIComponent(room)}`

export function getMinutes(room: string): Promise<Minutes> {
  return fetchJson<Minutes>(`${of(room)}/minutes`)
}

/** For `<video>`; each view is in the audit chain. */
export function recordingUrl(room: string, recording: RoomRecording): string {
  return `${API}${of(room)}/recordings/${recording.id}.${recording.container}`
}
