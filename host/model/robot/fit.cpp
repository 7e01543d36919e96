#include "host/model/robot/fit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "host/model/robot/description.hpp"
#include "host/model/robot/pose.hpp"

namespace stampede {
namespace {

/// Volume of a closed mesh, from signed tetrahedra over its triangles [m^3].
double volume_of(const mjModel* m, int mesh) {
  const float* vertices = m->mesh_vert + 3 * m->mesh_vertadr[mesh];
  const int* faces = m->mesh_face + 3 * m->mesh_faceadr[mesh];
  double six = 0;
  for (int f = 0; f < m->mesh_facenum[mesh]; ++f) {
    Vec3<double> corner[3];
    for (int i = 0; i < 3; ++i) {
      const float* v = vertices + 3 * faces[3 * f + i];
      corner[i] = {double(v[0]), double(v[1]), double(v[2])};
    }
    six += dot(corner[0], cross(corner[1], corner[2]));
  }
  return std::abs(six) / 6;
}

}  // namespace

void fit_shapes(mjSpec* spec, const mjModel* m, std::vector<std::string>& changes) {
  for (mjsElement* e : elements_of(spec, mjOBJ_GEOM)) {
    mjsGeom* geom = mjs_asGeom(e);
    const bool mesh = geom->type == mjGEOM_MESH;
    if (!collides(geom) || (!mesh && geom->type != mjGEOM_ELLIPSOID)) continue;
    const int id = mjs_getId(e);
    const double* box = m->geom_aabb + 6 * id;  // centre and half sizes, in the geom's frame
    const double half[3] = {box[3], box[4], box[5]};
    std::array<int, 3> order = {0, 1, 2};
    std::sort(order.begin(), order.end(), [&](int a, int b) { return half[a] < half[b]; });
    const double small = half[order[0]], middle = half[order[1]], large = half[order[2]];
    Pose pose = pose_at(m->geom_pos + 3 * id, m->geom_quat + 4 * id);
    pose.origin = pose * vector_at(box);
    const double filled =
        mesh && m->geom_dataid[id] >= 0 ? volume_of(m, m->geom_dataid[id]) / (8 * small * middle * large) : 0.5;
    const char* shape = "box";
    geom->type = mjGEOM_BOX;
    std::copy(half, half + 3, geom->size);
    if (filled < 0.9 && large < 1.25 * small) {
      shape = "sphere";
      geom->type = mjGEOM_SPHERE;
      geom->size[0] = (small + middle + large) / 3;
    } else if (filled < 0.9 && middle < 1.6 * small) {
      shape = "capsule";
      geom->type = mjGEOM_CAPSULE;
      geom->size[0] = (small + middle) / 2;
      geom->size[1] = std::max(large - geom->size[0], 1e-3 * large);
      const Vec3<double> columns[3] = {pose.axes.x, pose.axes.y, pose.axes.z};
      pose.axes = axes_about(columns[order[2]]);
    }
    const Mat3<double>& a = pose.axes;
    const double rows[9] = {a.x.x, a.y.x, a.z.x, a.x.y, a.y.y, a.z.y, a.x.z, a.y.z, a.z.z};
    const double origin[3] = {pose.origin.x, pose.origin.y, pose.origin.z};
    mju_copy3(geom->pos, origin);
    mju_mat2Quat(geom->quat, rows);
    geom->alt.type = mjORIENTATION_QUAT;
    geom->fromto[0] = std::nan("");
    mjs_setString(geom->meshname, "");
    if (mesh) mjs_setFrame(e, nullptr);  // the compiled pose includes the frames around it
    changes.push_back(fmt::format("{} is a {} instead of {}", label_of(e), shape, mesh ? "a mesh" : "an ellipsoid"));
  }
}

}  // namespace stampede
