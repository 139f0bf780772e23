/** Choosing the square of a photo that is looked at: sliders, and dragging the picture. */

import { centreSquare, constants, type Box } from "../../../export/kit_sources/web/src/index.js";

export interface Sliders {
  zoom: HTMLInputElement;
  across: HTMLInputElement;
  down: HTMLInputElement;
}

export class Framing {
  private photo: ImageBitmap | null = null;
  /** 0 is the left or upper edge, 1 the right or lower one; finer than the sliders' steps, so that small drags add up. */
  private position = { across: 0.5, down: 0.5 };

  /** `onChange` is called after each change of the box. */
  constructor(private readonly canvas: HTMLCanvasElement, private readonly sliders: Sliders, private readonly onChange: () => void) {
    sliders.zoom.addEventListener("input", () => this.changed());
    for (const axis of ["across", "down"] as const) {
      sliders[axis].addEventListener("input", () => {
        this.position[axis] = sliders[axis].valueAsNumber;
        this.changed();
      });
    }
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
  }

  /** Start with the centre square of a photo. */
  open(photo: ImageBitmap): void {
    this.photo = photo;
    const { zoom } = this.sliders;
    zoom.max = String(Math.max(1, Math.min(8, Math.min(photo.width, photo.height) / constants.min_side)));
    zoom.value = "1";
    this.position = { across: 0.5, down: 0.5 };
    this.changed();
  }

  /** In pixels of the photo; at first the centre square. */
  get box(): Box | undefined {
    if (!this.photo) return undefined;
    const { width, height } = this.photo;
    const side = Math.max(constants.min_side, Math.floor(Math.min(width, height) / this.sliders.zoom.valueAsNumber));
    const left = Math.floor((width - side) * this.position.across);
    const top = Math.floor((height - side) * this.position.down);
    return { left, top, right: left + side, bottom: top + side };
  }

  private drag(event: PointerEvent): void {
    const { box, photo } = this;
    if (!event.buttons || !photo || !box) return;
    const side = box.right - box.left;
    const move = (axis: "across" | "down", pixels: number, room: number): void => {
      const moved = this.position[axis] - (pixels * side) / this.canvas.clientWidth / room;
      if (room > 0) this.position[axis] = Math.min(1, Math.max(0, moved));
    };
    move("across", event.movementX, photo.width - side);
    move("down", event.movementY, photo.height - side);
    this.changed();
  }

  private changed(): void {
    if (!this.photo) return;
    this.sliders.across.valueAsNumber = this.position.across;
    this.sliders.down.valueAsNumber = this.position.down;
    draw(this.canvas, this.photo, this.box);
    this.onChange();
  }
}

/** Show a square of a picture on a canvas, for people to look at. */
export function draw(canvas: HTMLCanvasElement, picture: ImageBitmap, box?: Box): void {
  const { left, top, right, bottom } = box ?? centreSquare(picture.width, picture.height);
  canvas.width = canvas.height = Math.min(right - left, 720);
  const context = canvas.getContext("2d")!;
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, left, top, right - left, bottom - top, 0, 0, canvas.width, canvas.height);
}
