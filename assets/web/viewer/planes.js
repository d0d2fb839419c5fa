// Where a pixel of a plane stands in the volume. A volume lies as x (to the patient's left) fastest, then y (to the
// back), then z (to the head): axial slices one after the other, the most inferior first.

export const PLANES = ['axial', 'coronal', 'sagittal'];

/** Which of x, y, z a plane's slices, columns and rows run along; rows of two planes run head first. */
export const AXES = {
  axial: { slice: 2, column: 0, row: 1, flipped: false },
  coronal: { slice: 1, column: 0, row: 2, flipped: true },
  sagittal: { slice: 0, column: 1, row: 2, flipped: true },
};

export const sizeOf = (manifest) =>
  [manifest.planes.axial.columns, manifest.planes.axial.rows, manifest.planes.axial.slices];

/** The voxel (x, y, z) under column `x`, row `y` of slice `slice` (from 1). */
export function voxelAt(plane, size, slice, x, y) {
  const axes = AXES[plane];
  const voxel = [0, 0, 0];
  voxel[axes.slice] = slice - 1;
  voxel[axes.column] = x;
  voxel[axes.row] = axes.flipped ? size[axes.row] - 1 - y : y;
  return voxel;
}

/** Column and row of a voxel in a plane's picture. */
export function pixelAt(plane, size, voxel) {
  const axes = AXES[plane];
  return [voxel[axes.column], axes.flipped ? size[axes.row] - 1 - voxel[axes.row] : voxel[axes.row]];
}

/** One slice out of a whole volume; an axial one is a view, the others are copied. */
export function cut(volume, size, plane, slice) {
  const [nx, ny, nz] = size;
  const area = nx * ny;
  if (plane === 'axial') return volume.subarray((slice - 1) * area, slice * area);
  if (plane === 'coronal') {
    const picture = new volume.constructor(nx * nz);
    for (let z = 0; z < nz; z += 1) {
      const from = z * area + (slice - 1) * nx;
      picture.set(volume.subarray(from, from + nx), (nz - 1 - z) * nx);
    }
    return picture;
  }
  const picture = new volume.constructor(ny * nz);
  for (let z = 0; z < nz; z += 1) {
    let from = z * area + slice - 1;
    let to = (nz - 1 - z) * ny;
    for (let y = 0; y < ny; y += 1, from += nx, to += 1) picture[to] = volume[from];
  }
  return picture;
}
