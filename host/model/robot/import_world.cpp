#include "host/model/robot/import_world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/model/robot/description.hpp"
#include "host/model/robot/shapes.hpp"

namespace stampede {
namespace {

/// A geom's type, place and, where it has one, name, for messages.
std::string describe(const mjModel* m, int g, mjsElement* e) {
  const Vec3<double> at = world_pose_of(m, g).origin;
  const std::string name = mjs_getString(mjs_getName(e));
  return fmt::format("{} of the world at ({:.3g}, {:.3g}, {:.3g})",
                     name.empty() ? std::string("a ") + shape_word(m->geom_type[g])
                                  : fmt::format("{} '{}'", shape_word(m->geom_type[g]), name),
                     at.x, at.y, at.z);
}

bool meets_robot(const mjModel* m, int g) {
  for (int other = 0; other < m->ngeom; ++other) {
    if (m->body_weldid[m->geom_bodyid[other]] == 0) continue;
    if ((m->geom_contype[g] & m->geom_conaffinity[other]) != 0 ||
        (m->geom_contype[other] & m->geom_conaffinity[g]) != 0)
      return true;
  }
  return false;
}

/// A grid of heights, in the frame of its first point.
struct Grid {
  int rows, columns;
  double along_x, along_y;  ///< between points [m]
  std::vector<double> heights;

  /// The height at a point, interpolated bilinearly; beyond the edge, that of the nearest point of the edge [m].
  double at(double x, double y) const {
    const double u = std::clamp(x / along_x, 0.0, columns - 1.0), v = std::clamp(y / along_y, 0.0, rows - 1.0);
    const int c = std::min(static_cast<int>(u), columns - 2), r = std::min(static_cast<int>(v), rows - 2);
    const auto height = [&](int row, int column) { return heights[static_cast<std::size_t>(row * columns + column)]; };
    const double s = u - c, t = v - r;
    return (1 - t) * ((1 - s) * height(r, c) + s * height(r, c + 1)) +
           t * ((1 - s) * height(r + 1, c) + s * height(r + 1, c + 1));
  }
};

Grid grid_of(const mjModel* m, int g) {
  const int field = m->geom_dataid[g];
  const double* size = m->hfield_size + 4 * field;
  Grid grid{m->hfield_nrow[field], m->hfield_ncol[field], 0, 0, {}};
  grid.along_x = 2 * size[0] / (grid.columns - 1);
  grid.along_y = 2 * size[1] / (grid.rows - 1);
  const float* data = m->hfield_data + m->hfield_adr[field];
  for (int i = 0; i < grid.rows * grid.columns; ++i) grid.heights.push_back(size[2] * static_cast<double>(data[i]));
  return grid;
}

/// Gives a geom a heightfield over the same ground with square cells, whose side is the shorter one of the old cells.
void make_square(mjSpec* spec, const mjModel* m, int g, mjsElement* e, std::vector<std::string>& changes) {
  const Grid from = grid_of(m, g);
  const double side = std::min(from.along_x, from.along_y);
  const auto points = [&](int count, double along) {
    return static_cast<int>(std::ceil((count - 1) * along / side - 1e-6)) + 1;
  };
  const int rows = points(from.rows, from.along_y), columns = points(from.columns, from.along_x);
  std::vector<double> heights;
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) heights.push_back(from.at(c * side, r * side));
  }
  const auto [lowest, highest] = std::minmax_element(heights.begin(), heights.end());
  const double low = *lowest, span = *highest - *lowest;
  // MuJoCo wants heights from 0 to 1 times the size.
  std::vector<float> data;
  for (const double height : heights) data.push_back(span > 0 ? static_cast<float>((height - low) / span) : 0.0f);

  mjsGeom* geom = mjs_asGeom(e);
  const std::string old = mjs_getString(geom->hfieldname);
  std::string name = old + "_square";
  while (mjs_findElement(spec, mjOBJ_HFIELD, name.c_str()) != nullptr) name += "_";
  const double* size = m->hfield_size + 4 * m->geom_dataid[g];
  const double half_x = 0.5 * side * (columns - 1), half_y = 0.5 * side * (rows - 1);
  mjsHField* field = mjs_addHField(spec);
  mjs_setName(field->element, name.c_str());
  field->nrow = rows, field->ncol = columns;
  field->size[0] = half_x, field->size[1] = half_y;
  field->size[2] = span > 0 ? span : size[2];
  field->size[3] = size[3];
  mjs_setFloat(field->userdata, data.data(), static_cast<int>(data.size()));
  mjs_setString(geom->hfieldname, name.c_str());
  // The first point stays where it is. The geom is not turned in the world.
  const Vec3<double> shift{half_x - size[0], half_y - size[1], low};
  const Pose geom_in_body = pose_at(m->geom_pos + 3 * g, m->geom_quat + 4 * g);
  const Vec3<double> at = geom_in_body * shift;
  const double position[3] = {at.x, at.y, at.z};
  mju_copy3(geom->pos, position);
  mju_copy4(geom->quat, m->geom_quat + 4 * g);
  geom->alt.type = mjORIENTATION_QUAT;
  mjs_setFrame(e, nullptr);  // the compiled pose includes the frames around it
  const std::vector<mjsElement*> geoms = elements_of(spec, mjOBJ_GEOM);
  const bool used = std::any_of(geoms.begin(), geoms.end(),
                                [&](mjsElement* other) { return old == mjs_getString(mjs_asGeom(other)->hfieldname); });
  if (mjsElement* left = mjs_findElement(spec, mjOBJ_HFIELD, old.c_str()); !used && left != nullptr) {
    mjs_delete(spec, left);
  }
  changes.push_back(
      fmt::format("heightfield '{}' has {} x {} cells of {:.4g} x {:.4g} m instead of {} x {} of {:.4g} x "
                  "{:.4g} m",
                  old, columns - 1, rows - 1, side, side, from.columns - 1, from.rows - 1, from.along_x, from.along_y));
}

}  // namespace

bool moves_freely(const mjModel* model) {
  return std::any_of(model->jnt_type, model->jnt_type + model->njnt, [](int type) { return type == mjJNT_FREE; });
}

bool is_of_world(const mjModel* model, int body) {
  return body == 0 || (model->body_weldid[body] == 0 && moves_freely(model));
}

void settle_world(mjSpec* spec, const mjModel* m, std::vector<std::string>& changes) {
  bool plane = false, heights = false;
  std::vector<std::pair<mjsElement*, int>> oblong;
  // Ids are read first: they change when something is removed.
  std::vector<std::pair<mjsElement*, int>> geoms;
  for (mjsElement* e : elements_of(spec, mjOBJ_GEOM)) geoms.emplace_back(e, mjs_getId(e));
  for (const auto& pair : geoms) {
    mjsElement* const e = pair.first;
    const int g = pair.second;
    if (!is_of_world(m, m->geom_bodyid[g]) || !meets_robot(m, g)) continue;
    const auto leave_out = [&](const char* why) {
      // A geom beside a robot with a fixed base may be part of that base: it stays visible.
      const bool gone = moves_freely(m);
      changes.push_back(
          fmt::format("{} {}: {}", describe(m, g, e), gone ? "is left out" : "does not meet the robot", why));
      mjsGeom* geom = mjs_asGeom(e);
      geom->contype = geom->conaffinity = 0;
      if (gone) mjs_delete(spec, e);
    };
    const Mat3<double> axes = world_pose_of(m, g).axes;
    switch (m->geom_type[g]) {
      case mjGEOM_PLANE:
        if (plane) leave_out("the ground is one plane");
        plane = true;
        break;
      case mjGEOM_HFIELD:
        if (heights) {
          leave_out("the ground has one heightfield");
        } else if (!(axes.z.z > 1 - 1e-9 && axes.x.x > 1 - 1e-9)) {
          leave_out("heightfields that are turned are not simulated");
        } else {
          heights = true;
          const Grid grid = grid_of(m, g);
          if (!(std::abs(grid.along_x - grid.along_y) <= 1e-6 * grid.along_x)) oblong.emplace_back(e, g);
        }
        break;
      case mjGEOM_BOX:
        if (!along_axes(axes)) leave_out("boxes that do not lie along the world's axes are not simulated");
        break;
      default:
        leave_out("the ground is a plane, a heightfield or boxes");
    }
  }
  for (const auto& [e, g] : oblong) make_square(spec, m, g, e, changes);
}

}  // namespace stampede
