/** The camera: start, stop, and one frame at a time. */

export type CameraFault = "denied" | "absent" | "busy" | "insecure";

export class CameraError extends Error {
  constructor(readonly code: CameraFault) {
    super(code);
  }
}

const FAULTS: Record<string, CameraFault> = {
  NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "absent", OverconstrainedError: "absent",
};

export class Camera {
  /** What is running now, another one after each start; null when the camera is off. */
  stream: MediaStream | null = null;

  /** `onEnded` is called when the system takes the camera away. */
  constructor(private readonly video: HTMLVideoElement, private readonly onEnded: () => void) {}

  get running(): boolean {
    return this.stream !== null;
  }

  /** Show the camera's picture, the rear camera's where there is one. */
  async start(): Promise<void> {
    if (!navigator.mediaDevices) throw new CameraError("insecure");
    const wanted = { facingMode: { ideal: "environment" }, width: { ideal: 1920 }, height: { ideal: 1080 } };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      this.stream.getVideoTracks()[0]!.addEventListener("ended", this.onEnded);
      this.video.srcObject = this.stream;
      await this.video.play();
    } catch (error) {
      this.stop();
      throw new CameraError(FAULTS[(error as Error).name] ?? "busy");
    }
  }

  stop(): void {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
  }

  /** The present frame, held still; null before the first one. */
  async frame(): Promise<ImageBitmap | null> {
    return this.running && this.video.videoWidth ? createImageBitmap(this.video) : null;
  }
}
