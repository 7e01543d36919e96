"""A MuJoCo model as meshes that a browser draws: robots that move, and the ground below them."""

import mujoco
import numpy
import trimesh

_GROUND = (150, 158, 164)
_LIGHT, _DARK = (178, 183, 190), (44, 48, 54)
_VISIBLE_GROUPS = 3  # MuJoCo's own viewer shows geoms of groups 0 to 2 at first


def model_of(scene):
    """The model in the bytes of an MJB file."""
    return mujoco.MjModel.from_binary_path("scene.mjb", {"scene.mjb": scene})


def _mesh(model, geom):
    """A geom's surface in its own axes; None for what cannot be drawn."""
    kind, size = model.geom_type[geom], model.geom_size[geom]
    shapes = mujoco.mjtGeom
    if kind == shapes.mjGEOM_SPHERE:
        return trimesh.creation.icosphere(subdivisions=2, radius=size[0])
    if kind == shapes.mjGEOM_ELLIPSOID:
        sphere = trimesh.creation.icosphere(subdivisions=2)
        sphere.apply_scale(size)
        return sphere
    if kind == shapes.mjGEOM_CAPSULE:
        return trimesh.creation.capsule(height=2 * size[1], radius=size[0], count=[16, 12])
    if kind == shapes.mjGEOM_CYLINDER:
        return trimesh.creation.cylinder(radius=size[0], height=2 * size[1], sections=24)
    if kind == shapes.mjGEOM_BOX:
        return trimesh.creation.box(2 * size)
    if kind == shapes.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        vertex, vertices = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        face, faces = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
        return trimesh.Trimesh(model.mesh_vert[vertex : vertex + vertices], model.mesh_face[face : face + faces],
                               process=False)
    if kind == shapes.mjGEOM_HFIELD:
        return _heightfield(model, model.geom_dataid[geom])
    if kind == shapes.mjGEOM_PLANE:
        half = [each if each > 0 else 50 for each in size[:2]]
        plane = trimesh.creation.box((2 * half[0], 2 * half[1], 0.02))
        plane.apply_translation((0, 0, -0.01))
        return plane
    return None


def _heightfield(model, field):
    rows, columns = model.hfield_nrow[field], model.hfield_ncol[field]
    begin = model.hfield_adr[field]
    x_half, y_half, top, _ = model.hfield_size[field]
    height = model.hfield_data[begin : begin + rows * columns].reshape(rows, columns) * top
    x, y = numpy.meshgrid(numpy.linspace(-x_half, x_half, columns), numpy.linspace(-y_half, y_half, rows))
    corner = numpy.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]))
    faces = numpy.concatenate([numpy.stack([a, b, d], 1), numpy.stack([a, d, c], 1)])
    return trimesh.Trimesh(numpy.stack([x, y, height], -1).reshape(-1, 3), faces, process=False)


def _placed(model, geom):
    """The geom's surface in its body's axes."""
    mesh = _mesh(model, geom)
    if mesh is not None:
        rotation = numpy.zeros(9)
        mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
        place = numpy.eye(4)
        place[:3, :3] = rotation.reshape(3, 3)
        place[:3, 3] = model.geom_pos[geom]
        mesh.apply_transform(place)
    return mesh


def _colour(model, geom):
    """The file's colour; where it has none, light and dark by turns along a limb, so that links can be told apart."""
    material, body = model.geom_matid[geom], model.geom_bodyid[geom]
    if body == 0:
        return _GROUND
    rgba = model.mat_rgba[material] if material >= 0 else model.geom_rgba[geom]
    if material < 0 and (rgba[:3] == 0.5).all():  # MuJoCo's default
        depth = 0
        while model.body_parentid[body] != 0:
            body, depth = model.body_parentid[body], depth + 1
        return _DARK if depth % 2 else _LIGHT
    return tuple(int(255 * each) for each in rgba[:3])


class Drawing:
    """`num_envs` copies of a model's bodies on its ground, in a viser scene."""

    def __init__(self, scene, model, num_envs):
        self._scene, self._model, self._data = scene, model, mujoco.MjData(model)
        self._ground = scene.add_frame("/ground", show_axes=False)
        self._centre = None  # where in the scene's axes the robots' world has its origin, times -1 [m]
        self._bodies = []  # (body, handle)
        still = numpy.tile(numpy.float32([1, 0, 0, 0]), (num_envs, 1))
        nowhere = numpy.zeros((num_envs, 3), numpy.float32)
        parts = {}
        for geom in range(model.ngeom):
            if model.geom_group[geom] >= _VISIBLE_GROUPS or model.geom_rgba[geom][3] == 0:
                continue
            mesh = _placed(model, geom)
            if mesh is not None:
                body = int(model.geom_bodyid[geom])
                parts.setdefault((body, _colour(model, geom)), []).append(mesh)
        for at, ((body, colour), meshes) in enumerate(parts.items()):
            mesh = trimesh.util.concatenate(meshes)
            if body == 0:
                scene.add_mesh_simple(f"/ground/{at}", mesh.vertices, mesh.faces, color=colour, flat_shading=True,
                                      cast_shadow=False)
                continue
            handle = scene.add_batched_meshes_simple(f"/robots/{at}", mesh.vertices, mesh.faces, still, nowhere,
                                                     batched_colors=numpy.tile(numpy.uint8(colour), (num_envs, 1)), lod="off")
            self._bodies.append((body, handle))
        # Lines, by which one sees a robot move on a plane.
        scene.add_grid("/ground/lines", width=40, height=40, cell_size=0.5, section_size=0.5, position=(0, 0, 0.002),
                       section_color=(124, 132, 138), cell_color=(124, 132, 138))
        self._apart = numpy.zeros((num_envs, 3))
        self._position = numpy.zeros((model.nbody, num_envs, 3), numpy.float32)
        self._rotation = numpy.zeros((model.nbody, num_envs, 4), numpy.float32)

    def place_apart(self, qpos):
        """Draws robots that start in the same place beside each other."""
        if len(qpos) > 1 and numpy.linalg.norm(qpos[0][:2] - qpos[1][:2]) < 0.5:
            at = numpy.arange(len(qpos))
            row = int(numpy.ceil(numpy.sqrt(len(qpos))))
            self._apart[:, 0], self._apart[:, 1] = -1.2 * (at // row), 1.2 * (at % row)

    def show(self, qpos, follow=True):
        """Moves the robots to qpos [num_envs][nq], in MuJoCo's order; the world so that the first stays where it is seen."""
        for env, row in enumerate(qpos):
            self._data.qpos[:] = row
            mujoco.mj_kinematics(self._model, self._data)
            self._position[:, env] = self._data.xpos + self._apart[env]
            self._rotation[:, env] = self._data.xquat
        base = self._position[1, 0]
        if self._centre is None or (follow and numpy.linalg.norm(self._centre - base) > 1):
            self._centre = numpy.array(base)
        if follow:
            self._centre[:2] = base[:2]
            self._centre[2] += 0.05 * (base[2] - self._centre[2])  # without the gait's ups and downs
        self._ground.position = tuple(-self._centre)
        for body, handle in self._bodies:
            handle.batched_positions = self._position[body] - self._centre
            handle.batched_wxyzs = self._rotation[body]

    def remove(self):
        for name in ("/robots", "/ground"):
            self._scene.remove_by_name(name)
