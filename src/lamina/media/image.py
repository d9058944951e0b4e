"""Pictures: bytes to pixels, pixels to files and pages. Pixels are uint8 (height, width, channels).

Pillow does the decoding; whatever it raises for a damaged file becomes a ValueError here.
"""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy

from lamina.media.files import File, is_archive, listing

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
ORIENTATION = 0x0112  # the EXIF tag; above 4 the picture lies on its side
LARGEST = 100_000_000  # pixels; a small file can unpack to far more than memory holds


def given(paths: Sequence[str]) -> list[File]:
    """The images that paths mean: files, and all images of folders and archives.

    ValueError: nothing is there, or no image is in it.
    """
    found: list[File] = []
    for path in map(Path, paths):
        if not path.exists():
            raise ValueError(f"no image or folder is called {str(path)!r}")
        several = path.is_dir() or is_archive(path)
        listed = listing(path, SUFFIXES if several else ())
        if not listed:
            raise ValueError(f"{path} holds no images")
        found += listed
    return found


def decode(given: File | numpy.ndarray, *, size: tuple[int, int] | None = None,
           channels: int | None = None) -> numpy.ndarray:
    """The pixels of an image file or array, uint8 (height, width, channels).

    size: (height, width) to which the picture is scaled, its shorter side filling it, and cut
        around the centre; None keeps its own.
    channels: 1 for grey, 3 for colour; None keeps what the file has.
    ValueError: not an image, cut short, or larger than LARGEST pixels.
    """
    picture = _from_array(given) if isinstance(given, numpy.ndarray) else _open(given)
    if channels is None:
        channels = 1 if picture.mode in ("L", "1", "I;16") else 3
    picture = picture.convert("L" if channels == 1 else "RGB")
    if size is not None and picture.size != (size[1], size[0]):
        from PIL import ImageOps

        picture = ImageOps.fit(picture, (size[1], size[0]))
    pixels = numpy.asarray(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def shape(given: File | numpy.ndarray) -> tuple[int, int, int]:
    """(height, width, channels) without decoding the pixels."""
    if isinstance(given, numpy.ndarray):
        return (*given.shape, 1) if given.ndim == 2 else given.shape
    picture = _open(given, load=False)
    turned = picture.format == "JPEG" and picture.getexif().get(ORIENTATION, 1) > 4
    sides = (picture.width, picture.height) if turned else (picture.height, picture.width)
    return *sides, 1 if picture.mode in ("L", "1", "I;16") else 3


def indices(given: File) -> numpy.ndarray:
    """The numbers that a picture of labels holds, int32 (height, width): palette places or greys.

    ValueError: a picture in colours, or not an image.
    """
    picture = _open(given)
    values = numpy.asarray(picture)
    if values.ndim == 3 and (values[:, :, :1] == values[:, :, :3]).all():  # grey, but saved as RGB
        values = values[:, :, 0]
    if values.ndim == 3 or values.dtype.kind == "f":
        raise ValueError(f"expected an indexed or grey picture of labels, got one of {picture.mode}"
                         " colours")
    return values.astype(numpy.int32)


def _from_array(pixels: numpy.ndarray):
    from PIL import Image

    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.dtype != numpy.uint8 or pixels.ndim not in (2, 3):
        raise ValueError(f"expected uint8 pixels (height, width[, 3]), got {pixels.dtype} "
                         f"{pixels.shape}")
    return Image.fromarray(pixels)


def _open(file: File, *, load: bool = True):
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        picture = Image.open(io.BytesIO(file.read()))
        if picture.width * picture.height > LARGEST:
            raise ValueError(f"{picture.width} by {picture.height} pixels is too large")
        if load:
            picture.load()
            picture = ImageOps.exif_transpose(picture)
        return picture
    except FileNotFoundError:
        raise
    except UnidentifiedImageError:
        raise ValueError("not a readable image (unknown format, or its beginning is damaged)"
                         ) from None
    except Exception as reason:  # Pillow's plugins raise whatever their parsers stumble over
        raise ValueError(f"not a readable image ({reason})") from None


def png(pixels: numpy.ndarray) -> bytes:
    """The pixels as a PNG file."""
    buffer = io.BytesIO()
    _from_array(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def recompressed(pixels: numpy.ndarray, *, quality: int) -> numpy.ndarray:
    """The pixels as a JPEG file of that quality, 1 to 95, gives them back."""
    from PIL import Image

    buffer = io.BytesIO()
    _from_array(pixels).save(buffer, "JPEG", quality=quality)
    back = numpy.asarray(Image.open(buffer))
    return back[:, :, None] if back.ndim == 2 else back


def save(pixels: numpy.ndarray, path: Path) -> None:
    """Write the pixels to a file whose suffix names the format."""
    _from_array(pixels).save(path)


def html(pixels: numpy.ndarray, *, width: int = 96, alternative: str = "a picture") -> str:
    """The picture inside a page, shown `width` pixels wide; small ones are not smoothed.

    alternative: what is said to those who cannot see it.
    """
    encoded = base64.b64encode(png(pixels)).decode()
    crisp = ' class="crisp"' if pixels.shape[1] < width else ""
    return (f'<img{crisp} width="{width}" alt="{escape(alternative)}" '
            f'src="data:image/png;base64,{encoded}">')


def save_film(frames: list[numpy.ndarray], path: Path, *, frames_per_second: int = 30) -> None:
    """Write frames as .gif, or as .mp4 with the `video` extra."""
    if path.suffix.lower() == ".mp4":
        try:
            import av
        except ImportError:
            raise ValueError('MP4 needs the video extra: pip install "lamina[video]"') from None
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=frames_per_second)
            height, width = (side // 2 * 2 for side in frames[0].shape[:2])  # yuv420p is halved
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            for pixels in frames:
                cut = numpy.ascontiguousarray(pixels[:height, :width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
            container.mux(stream.encode())
    else:
        path.write_bytes(_gif(frames, 1 / frames_per_second))


def html_film(frames: list[numpy.ndarray], *, seconds_per_frame: float, width: int = 300) -> str:
    """The frames inside a page, as a GIF that repeats."""
    encoded = base64.b64encode(_gif(frames, seconds_per_frame, width=width)).decode()
    return f'<img width="{width}" alt="a film" src="data:image/gif;base64,{encoded}">'


def _gif(frames: list[numpy.ndarray], seconds_per_frame: float, width: int | None = None) -> bytes:
    pictures = [_from_array(pixels) for pixels in frames]
    if width is not None and width < pictures[0].width:
        height = round(pictures[0].height * width / pictures[0].width)
        pictures = [picture.resize((width, height)) for picture in pictures]
    pictures = [picture.convert("P", palette=1, colors=32) for picture in pictures]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], loop=0,
                     duration=max(20, round(1000 * seconds_per_frame)))
    return buffer.getvalue()
