// The descriptive part of a camera record (一机一档), as GB/T 28181's catalogue has it (camera_registry/record.py). Pure.

/** Empty: not known. `bearing`: degrees clockwise from north. */
export interface CameraDescription {
  owner_unit: string
  division: string
  structure: string
  position_type: string
  room_type: string
  use_type: string
  fill_light: string
  bearing: number | null
  confidentiality: string
}

/** The values of each field that is chosen; their words stand under `description.values`. */
export const CHOICES = {
  structure: ['1', '2', '3', '4'],
  position_type: ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'],
  room_type: ['1', '2'],
  use_type: ['1', '2', '3'],
  fill_light: ['1', '2', '3', '4', '9'],
  confidentiality: ['0', '1'],
} as const

export type Choice = keyof typeof CHOICES
export const CHOSEN = Object.keys(CHOICES) as Choice[]

export type TypedDescription = Record<Choice | 'owner_unit' | 'division' | 'bearing', string>
export type DescriptionFault = 'division' | 'bearing'

export function typedDescription(description: CameraDescription | null): TypedDescription {
  const { bearing, ...texts } = description ?? {
    owner_unit: '', division: '', structure: '', position_type: '', room_type: '', use_type: '', fill_light: '',
    bearing: null, confidentiality: '',
  }
  return { ...texts, bearing: bearing === null ? '' : String(bearing) }
}

export function bearingOf(text: string): number | null {
  const trimmed = text.trim()
  if (!/^\d{1,3}(\.\d{1,6})?$/.test(trimmed)) return null
  const value = Number(trimmed)
  return value < 360 ? value : null
}

/** The word of each fault under `cameraForm.`. */
export function descriptionFaults(typed: TypedDescription): Partial<Record<DescriptionFault, string>> {
  const found: Partial<Record<DescriptionFault, string>> = {}
  const division = typed.division.trim()
  if (division !== '' && !/^\d{6}(\d{3}){0,2}$/.test(division)) found.division = 'divisionWrong'
  if (typed.bearing.trim() !== '' && bearingOf(typed.bearing) === null) found.bearing = 'bearingWrong'
  return found
}

/** What is different from before; null where nothing is. `typed` has no faults. */
export function describedAs(typed: TypedDescription, before: CameraDescription | null): Partial<CameraDescription> | null {
  const was = typedDescription(before)
  const asked: Partial<CameraDescription> = {}
  for (const name of ['owner_unit', 'division', ...CHOSEN] as const)
    if (typed[name].trim() !== was[name]) asked[name] = typed[name].trim()
  const bearing = bearingOf(typed.bearing)
  if (bearing !== (before?.bearing ?? null)) asked.bearing = bearing
  return Object.keys(asked).length > 0 ? asked : null
}
