// What is typed to register or change a camera, checked before the gateway is asked. Pure.
import type { CameraAsked } from '../api/cameras'
import { degrees, type Camera } from './camera'
import { describedAs, descriptionFaults, typedDescription, type DescriptionFault, type TypedDescription } from './camera_description'

export interface Typed {
  kind: 'onvif' | 'rtsp'
  /** Whether address and login are given: always at registration, by choice at a change. */
  readdress: boolean
  reached: string
  username: string
  password: string
  name: string
  lng: string
  lat: string
  address: string
  note: string
  clearLogin: boolean
  description: TypedDescription
}

export type Field = 'reached' | 'name' | 'lng' | 'lat' | DescriptionFault

export function blank(): Typed {
  return {
    kind: 'onvif', readdress: true, reached: '', username: '', password: '', name: '', lng: '', lat: '', address: '',
    note: '', clearLogin: false, description: typedDescription(null),
  }
}

export function typedOf(camera: Camera): Typed {
  return {
    ...blank(),
    kind: camera.onvif_address === null ? 'rtsp' : 'onvif',
    readdress: false,
    // The path of a stream is not shown, since some hold the login, so it is typed anew.
    reached: camera.onvif_address ?? '',
    name: camera.name,
    lng: camera.lng === null ? '' : String(camera.lng),
    lat: camera.lat === null ? '' : String(camera.lat),
    address: camera.address,
    note: camera.note,
    clearLogin: camera.clear_login,
    description: typedDescription(camera.description),
  }
}

/** The first field of each fault and its word under `cameraForm.`. */
export function faults(typed: Typed, before: Camera | null = null): Partial<Record<Field, string>> {
  const found: Partial<Record<Field, string>> = {}
  if (typed.readdress && typed.reached.trim() === '') found.reached = 'needed'
  if (typed.name.trim() === '') found.name = 'needed'
  if (!placeless(typed, before)) {
    if (degrees(typed.lng, 180) === null) found.lng = 'lngWrong'
    if (degrees(typed.lat, 90) === null) found.lat = 'latWrong'
  }
  return { ...found, ...descriptionFaults(typed.description) }
}

/** A record that came without a place may be changed without one. */
function placeless(typed: Typed, before: Camera | null): boolean {
  return before !== null && before.lng === null && typed.lng.trim() === '' && typed.lat.trim() === ''
}

/** What is asked of the gateway; of a change only what is different. `typed` has no faults. */
export function askedOf(typed: Typed, before: Camera | null): CameraAsked {
  const lng = degrees(typed.lng, 180) ?? 0
  const lat = degrees(typed.lat, 90) ?? 0
  const asked: CameraAsked = {}
  const description = describedAs(typed.description, before?.description ?? null)
  if (description !== null) asked.description = description
  if (typed.clearLogin !== (before?.clear_login ?? false)) asked.clear_login = typed.clearLogin
  if (typed.readdress) {
    asked[typed.kind === 'onvif' ? 'onvif_address' : 'rtsp_url'] = typed.reached.trim()
    asked.username = typed.username.trim()
    asked.password = typed.password
  }
  if (before === null)
    return { ...asked, name: typed.name.trim(), lng, lat, address: typed.address.trim(), note: typed.note.trim() }
  if (typed.name.trim() !== before.name) asked.name = typed.name.trim()
  if (typed.address.trim() !== before.address) asked.address = typed.address.trim()
  if (typed.note.trim() !== before.note) asked.note = typed.note.trim()
  if (!placeless(typed, before) && (lng !== before.lng || lat !== before.lat)) Object.assign(asked, { lng, lat })
  return { ...asked, revision: before.revision }
}

/** `a, b c` as addresses to search at. */
export function targetsOf(text: string): string[] {
  return text.split(/[\s,，;；]+/).filter((part) => part !== '')
}

/** Whether what was typed is a range to sweep (`10.0.0.0/24`, `10.0.0.5-10.0.0.9`), not a host to probe. */
export function isRange(text: string): boolean {
  return /^[\d.:a-f]+(\/\d{1,3}|-[\d.:a-f]+)$/i.test(text)
}

/** `80, 8080` as ports; what is none is left out. */
export function portsOf(text: string): number[] {
  const found = targetsOf(text).map(Number)
  return [...new Set(found.filter((port) => Number.isInteger(port) && port > 0 && port < 65_536))]
}
