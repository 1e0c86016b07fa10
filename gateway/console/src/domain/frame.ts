// Where the places of a picture lie in the frame that shows it, in CSS pixels, and which place a pixel is. Pure.
import { within, type Corner, type Outline } from './zone'

export interface Size {
  readonly width: number
  readonly height: number
}

export interface Bounds extends Size {
  readonly left: number
  readonly top: number
}

export interface Pixel {
  readonly x: number
  readonly y: number
}

/** From the frame's upper left corner. */
export function pixelOf([x, y]: Corner, { width, height }: Size): Pixel {
  return { x: x * width, y: y * height }
}

/** As an SVG's `points` have it. */
export function pointsOf(outline: Outline, size: Size): string {
  return outline.map((corner) => pixelOf(corner, size)).map(({ x, y }) => `${x},${y}`).join(' ')
}

/** As an SVG's `transform` has it. */
export function movedTo(corner: Corner, size: Size): string {
  const { x, y } = pixelOf(corner, size)
  return `translate(${x} ${y})`
}

/** The place under a pixel of the window; a frame that is not shown has but one. */
export function placeUnder(pixel: Pixel, bounds: Bounds | undefined): Corner {
  if (bounds === undefined || bounds.width === 0) return [0, 0]
  return within((pixel.x - bounds.left) / bounds.width, (pixel.y - bounds.top) / bounds.height)
}
