// A camera's picture settings as values, and what of them is different. Pure.
import type { ImagingAsked, ImagingState } from '../api/camera_device'

/** Levels the device does not tell, and modes it does not name, are left out. */
export function valuesOf(state: ImagingState): ImagingAsked {
  const found: ImagingAsked = {}
  for (const [name, level] of Object.entries(state.levels)) if (level.value !== null) found[name] = level.value
  for (const [name, mode] of Object.entries(state.modes)) if (mode.offered.includes(mode.value)) found[name] = mode.value
  return found
}

/** What is to be asked so that the camera is as `wanted`. */
export function changedImaging(state: ImagingState, wanted: ImagingAsked): ImagingAsked {
  const is = valuesOf(state)
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => is[name] !== value))
}
