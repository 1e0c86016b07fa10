// A camera record (一机一档) as the gateway shows it (gateway/api/camera_shown.py), and how its state is shown.
import type { Shape } from '../live/records'
import type { CameraDescription } from './camera_description'

export interface CameraHealth {
  state: string
  reason: string
  detail: string
  detail_en: string
  since: string
}

export interface CameraNotice {
  reason: string
  detail: string
  detail_en: string
}

export interface CameraProfile {
  token: string
  name: string
  role: 'main' | 'sub' | ''
  encoding: string
  width: number
  height: number
  fps: number
  gop: number | null
  b_frames: boolean | null
  parameter_sets: string
}

export interface Camera {
  id: string
  code: string
  name: string
  vendor: string
  model: string
  firmware: string
  serial: string
  onvif_address: string | null
  stream_host: string
  platform: string
  industry: string
  network: string
  grid: string | null
  lng: number | null
  lat: number | null
  address: string
  /** `awaiting`: recorded by an import, not yet asked. */
  status: 'in_use' | 'stopped' | 'awaiting' | 'removed'
  health: CameraHealth
  encoding: string
  width: number | null
  height: number | null
  fps: number | null
  gop: number | null
  clock_offset: number | null
  note: string
  notices: CameraNotice[]
  own_rules: boolean
  profiles: CameraProfile[]
  sub_stream: boolean
  offers: string[]
  credential_set: string | null
  clear_login: boolean
  device_events: boolean
  description: CameraDescription
  /** The view it has: a preset's token; empty: one that nobody stored; null: it was never steered. */
  preset: string | null
  registered_at: string
  changed_at: string
  revision: number
}

/** `quiet`: not pulled at all, so nothing is amiss and nothing is live. */
export type Tone = 'good' | 'waiting' | 'warn' | 'bad' | 'quiet'

const BAD = new Set(['offline', 'auth_failed', 'stalled'])

const CONNECT_FAILED = 'connect.'

/** Of a camera that waits to be connected: whether that was tried, and failed. */
export function connectFailed(camera: Pick<Camera, 'status' | 'health'>): boolean {
  return camera.status === 'awaiting' && camera.health.reason.startsWith(CONNECT_FAILED)
}

/** Live, but not looked at as its rules ask. */
const UNDERWATCHED = new Set([
  'rate_unmet',
  'looks_left_out',
  'looks_too_rare',
  'pictures_unreadable',
  'looks_failed',
  'rule_unusable',
])

export function underwatched(camera: Pick<Camera, 'status' | 'health'>): boolean {
  return camera.status === 'in_use' && camera.health.state === 'live' && UNDERWATCHED.has(camera.health.reason)
}

/** Live and looked at, but its alerts have neither snapshot nor clip. */
export function unrecorded(camera: Pick<Camera, 'status' | 'health'>): boolean {
  return camera.status === 'in_use' && camera.health.state === 'live' && camera.health.reason === 'evidence_unwritten'
}

/** The colour of a camera's state; the words beside it say the same. */
export function toneOf(camera: Pick<Camera, 'status' | 'health'>): Tone {
  if (connectFailed(camera)) return 'bad'
  if (camera.status !== 'in_use') return 'quiet'
  if (camera.health.state === 'live') return underwatched(camera) || unrecorded(camera) ? 'warn' : 'good'
  if (camera.health.state === 'connecting') return 'waiting'
  return BAD.has(camera.health.state) ? 'bad' : 'warn'
}

/** Whether there may be a picture to see: one that is dark or frozen is still worth a look. */
export function watchable(camera: Pick<Camera, 'status' | 'health'>): boolean {
  return camera.status === 'in_use' && !['offline', 'auth_failed'].includes(camera.health.state)
}

/** As the gateway searches: the letters' case does not count. */
export function matches(camera: Camera, text: string): boolean {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return true
  return [camera.name, camera.code, camera.address, camera.vendor, camera.model].some((field) =>
    field.toLowerCase().includes(wanted),
  )
}

const DIGITS_OF_CODE = 20

/** By code, the lowest first: `withRecord` puts the greatest rank first. */
export function cameraShape(most: number): Shape<Camera> {
  return {
    key: (camera) => camera.code,
    rank: (camera) => complement(camera.code),
    most,
  }
}

function complement(code: string): string {
  return [...code.padEnd(DIGITS_OF_CODE, '0')].map((digit) => String(9 - Number(digit))).join('')
}

export interface Point {
  lng: number
  lat: number
}

/** What was typed as a coordinate; null where it is no number or lies outside `most` degrees. */
export function degrees(text: string, most: 90 | 180): number | null {
  const trimmed = text.trim()
  if (!/^[-+]?\d{1,3}(\.\d{1,12})?$/.test(trimmed)) return null
  const value = Number(trimmed)
  return Math.abs(value) <= most ? value : null
}
