// Frozen pictures of a room and what is drawn on them (gateway/rooms/talk.py).

/** A polyline in 0 to 1 of the picture's width and height; `width` in 0 to 1 of its width. */
export interface Stroke {
  points: [number, number][]
  colour: string
  width: number
}

export interface FrozenPicture {
  id: string
  member_id: string | null
  frozen_by: string
  frozen_at: string
  strokes: Stroke[]
}

export interface Drawn {
  picture_id: string
  strokes: Stroke[]
  /** How many there are with these. */
  total: number
}

export const COLOURS = ['#ff4d4f', '#ffd666', '#36cfc9'] as const
export const MOST_POINTS = 400
const LEAST_STEP = 0.004

/** The picture with what was drawn; null where something before it was missed, and the picture is to be fetched. */
export function drawnOn(picture: FrozenPicture, drawn: Drawn): FrozenPicture | null {
  if (drawn.total <= picture.strokes.length) return picture
  if (picture.strokes.length + drawn.strokes.length !== drawn.total) return null
  return { ...picture, strokes: [...picture.strokes, ...drawn.strokes] }
}

/** The line with one more point, where that is far enough from the last to be seen, and there is room for it. */
export function extended(points: readonly [number, number][], x: number, y: number): [number, number][] {
  const at: [number, number] = [Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y))]
  const last = points[points.length - 1]
  const near = last !== undefined && Math.hypot(at[0] - last[0], at[1] - last[1]) < LEAST_STEP
  return near || points.length >= MOST_POINTS ? [...points] : [...points, at]
}

/** For an SVG of `width` by `height`. */
export function polyline(stroke: Stroke, width: number, height: number): string {
  return stroke.points.map(([x, y]) => `${(x * width).toFixed(1)},${(y * height).toFixed(1)}`).join(' ')
}
