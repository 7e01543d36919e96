/// \file Which geoms touch the ground, and how the parameters of the two are combined, is as in MuJoCo (its
/// documentation, chapter Computation, section Contact); what is simulated differently is said in a note.
#include "host/model/robot/shapes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <tuple>

#include "host/base/error.hpp"
#include "host/engine/ground_map.hpp"
#include "host/model/terrain/ground_index.hpp"

namespace stampede {
namespace {

/// A candidate, with where it belongs.
struct Candidate {
  int limb, link;  ///< limb -1: the base
  bool foot;
  ContactShape shape;
  ContactModel<double> contact;
};

bool masks_match(const mjModel* m, int a, int b) {
  return (m->geom_contype[a] & m->geom_conaffinity[b]) != 0 || (m->geom_contype[b] & m->geom_conaffinity[a]) != 0;
}

bool excluded(const mjModel* m, int a, int b) {
  const int low = std::min(m->geom_bodyid[a], m->geom_bodyid[b]), high = std::max(m->geom_bodyid[a], m->geom_bodyid[b]);
  for (int i = 0; i < m->nexclude; ++i) {
    if (m->exclude_signature[i] == (low << 16) + high || m->exclude_signature[i] == (high << 16) + low) return true;
  }
  return false;
}

class Shapes {
 public:
  Shapes(const ModelSource& source, RobotModel& robot) : source_(source), m_(source.model), robot_(robot) {}

  void read() {
    if ((m_->opt.disableflags & (mjDSBL_CONTACT | mjDSBL_CONSTRAINT)) != 0) {
      source_.notes.push_back("contacts are switched off by the file, and so they are here");
      finish();
      return;
    }
    find_ground();
    for (int g = 0; g < m_->ngeom; ++g) {
      if (!static_geom(g)) add_geom(g);
    }
    note_self_collision();
    finish();
  }

 private:
  bool static_geom(int g) const { return source_.limbs.part[static_cast<std::size_t>(m_->geom_bodyid[g])].world; }

  [[noreturn]] void refuse(int g, const std::string& what) const {
    throw Error(fmt::format("{}: {} {}", source_.file, name_of(m_, mjOBJ_GEOM, g), what));
  }

  /// Finds the ground: geoms that stand still and may touch a part of the robot that moves.
  void find_ground() {
    for (int g = 0; g < m_->ngeom; ++g) {
      if (!static_geom(g)) continue;
      bool touches = false;
      for (int other = 0; other < m_->ngeom && !touches; ++other) {
        touches = !static_geom(other) && masks_match(m_, g, other) && !excluded(m_, g, other);
      }
      if (!touches) continue;
      // Shapes of a fixed base belong to the robot; where the base moves, bodies that stand still belong to the world.
      const bool own = !robot_.options.floating && m_->geom_bodyid[g] != 0;
      if (own && m_->geom_type[g] != mjGEOM_PLANE) continue;
      switch (m_->geom_type[g]) {
        case mjGEOM_PLANE:
          add_plane(g);
          break;
        case mjGEOM_HFIELD:
          add_heights(g);
          break;
        case mjGEOM_BOX:
          add_box(g);
          break;
        default:
          refuse(g,
                 fmt::format("is a {} of the world that the robot can touch; the ground is a plane, a heightfield or "
                             "boxes, and `stampede import` leaves others out",
                             shape_word(m_->geom_type[g])));
      }
      ground_.push_back(g);
    }
    if (ground_.empty() && robot_.options.floating) {
      source_.notes.push_back("nothing that the robot could stand on: `stampede import` adds a plane");
    }
  }

  void add_plane(int g) {
    if (robot_.plane.present) {
      refuse(g, fmt::format("is a second plane, beside {}; the ground is one plane", name_of(m_, mjOBJ_GEOM, plane_)));
    }
    const Pose pose = world_pose_of(m_, g);
    plane_ = g;
    robot_.plane = {true, pose.origin, pose.axes.z};
  }

  GroundMap& map() {
    if (map_ == nullptr) map_ = std::make_shared<GroundMap>();
    return *map_;
  }

  void add_heights(int g) {
    if (heights_ >= 0) {
      refuse(g,
             fmt::format("is a second heightfield, beside {}; the ground has one", name_of(m_, mjOBJ_GEOM, heights_)));
    }
    heights_ = g;
    const Pose pose = world_pose_of(m_, g);
    const int field = m_->geom_dataid[g];
    const double* size = m_->hfield_size + 4 * field;
    GroundMap& map = this->map();
    map.rows = m_->hfield_nrow[field], map.columns = m_->hfield_ncol[field];
    if (!(pose.axes.z.z > 1 - 1e-9 && pose.axes.x.x > 1 - 1e-9)) {
      refuse(g,
             "is a heightfield that is turned; one along the world's axes would be right, and `stampede import` leaves "
             "others out");
    }
    const double along_x = 2 * size[0] / (map.columns - 1), along_y = 2 * size[1] / (map.rows - 1);
    if (!(std::abs(along_x - along_y) <= 1e-6 * along_x)) {
      refuse(g,
             fmt::format("is a heightfield with cells of {:.4g} x {:.4g} m; square cells would be right, and `stampede "
                         "import` makes them",
                         along_x, along_y));
    }
    map.spacing = along_x;
    map.origin_x = pose.origin.x - size[0], map.origin_y = pose.origin.y - size[1];
    const float* data = m_->hfield_data + m_->hfield_adr[field];
    for (int i = 0; i < map.rows * map.columns; ++i) {
      map.heights.push_back(static_cast<float>(pose.origin.z + size[2] * static_cast<double>(data[i])));
    }
  }

  /// Adds a box along the world's axes, which may be turned about them by multiples of 90 degrees.
  void add_box(int g) {
    const Pose pose = world_pose_of(m_, g);
    const double* size = m_->geom_size + 3 * g;
    const double x[3] = {pose.axes.x.x, pose.axes.x.y, pose.axes.x.z},
                 y[3] = {pose.axes.y.x, pose.axes.y.y, pose.axes.y.z},
                 z[3] = {pose.axes.z.x, pose.axes.z.y, pose.axes.z.z},
                 at[3] = {pose.origin.x, pose.origin.y, pose.origin.z};
    if (!along_axes(pose.axes)) {
      refuse(g,
             "is a box of the world that is turned; boxes along the world's axes are simulated, and `stampede import` "
             "leaves others out");
    }
    TerrainBox box{};
    for (int k = 0; k < 3; ++k) {
      box.centre[k] = static_cast<float>(at[k]);
      box.half[k] = static_cast<float>(std::round(std::abs(x[k])) * size[0] + std::round(std::abs(y[k])) * size[1] +
                                       std::round(std::abs(z[k])) * size[2]);
    }
    map().boxes.push_back(box);
  }

  /// Makes what kernels look up in the map, for shapes and links as far as these reach.
  void index_map() {
    if (map_ == nullptr) return;
    double reach = 0, link_reach = 0;
    for (const Candidate& c : candidates_) {
      const ContactModel<double>& shape = c.contact;
      const double point = c.shape == ContactShape::kPoint ? shape.radius : 0;
      reach = std::max(reach, point + std::max(shape.margin, 0.0));
      link_reach =
          std::max(link_reach, length(shape.point) + shape.radius + shape.half_length + std::max(shape.margin, 0.0));
    }
    if (map_->rows > 0 && reach > 0.5 * map_->spacing) {
      source_.notes.push_back(
          fmt::format("a shape with a radius and margin of {:.3g} m is above half the spacing of {}, {:.3g} m: of the "
                      "heights it meets "
                      "those within that distance sideways of its centre",
                      reach, name_of(m_, mjOBJ_GEOM, heights_), 0.5 * map_->spacing));
    }
    try {
      index_ground(*map_, reach, link_reach * (1 + 1e-5), [](double, double) { return std::string("world"); });
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {}", source_.file, error.what()));
    }
    robot_.map = map_;
  }

  /// The contact parameters of a geom and a ground geom, combined.
  ContactModel<double> combined(int g, int ground) {
    ContactModel<double> c = absent_contact();
    const double s1 = m_->geom_solmix[ground], s2 = m_->geom_solmix[g];
    double mix = s1 + s2 < mjMINVAL ? 0.5 : s1 < mjMINVAL ? 0.0 : s2 < mjMINVAL ? 1.0 : s1 / (s1 + s2);
    int condim = std::max(m_->geom_condim[g], m_->geom_condim[ground]);
    double friction = std::max(m_->geom_friction[3 * g], m_->geom_friction[3 * ground]);
    const int p1 = m_->geom_priority[ground], p2 = m_->geom_priority[g];
    if (p1 != p2) {
      const int winner = p1 > p2 ? ground : g;
      mix = p1 > p2 ? 1 : 0;
      condim = m_->geom_condim[winner];
      friction = m_->geom_friction[3 * winner];
    }
    const double *r1 = m_->geom_solref + mjNREF * ground, *r2 = m_->geom_solref + mjNREF * g;
    double solref[mjNREF], solimp[mjNIMP];
    const bool both_standard = r1[0] > 0 && r2[0] > 0;
    for (int i = 0; i < mjNREF; ++i) {
      if (p1 != p2) {
        solref[i] = p1 > p2 ? r1[i] : r2[i];
      } else {
        solref[i] = both_standard ? mix * r1[i] + (1 - mix) * r2[i] : std::min(r1[i], r2[i]);
      }
    }
    for (int i = 0; i < mjNIMP; ++i) {
      solimp[i] = mix * m_->geom_solimp[mjNIMP * ground + i] + (1 - mix) * m_->geom_solimp[mjNIMP * g + i];
    }
    if (condim > 3) condim_ = std::max(condim_, condim);
    c.friction = condim == 1 ? 0 : std::max(double(mjMINMU), friction);
    c.margin = m_->geom_margin[g] + m_->geom_margin[ground];
    c.weight = m_->body_invweight0[2 * m_->geom_bodyid[g]] + m_->body_invweight0[2 * m_->geom_bodyid[ground]];
    const bool refsafe = (m_->opt.disableflags & mjDSBL_REFSAFE) == 0;
    c.softness = softness_of(solref, solimp, m_->opt.timestep, refsafe);
    check_step(g, solref, solimp, c.softness, refsafe);
    return c;
  }

  /// Remembers the contact that needs the shortest time step, among those for which the file's time step is too long.
  void check_step(int g, const double* solref, const double* solimp, const Softness<double>& s, bool refsafe) {
    const double h = m_->opt.timestep;
    const bool standard = solref[0] > 0 && solref[1] > 0;
    const bool stable = h * h * s.stiffness + 2 * h * s.damping < 4;
    double longest = longest_stable_step(solref, solimp);
    if (standard && refsafe) longest = std::min(longest, solref[0] / 2);
    if ((!stable || (standard && refsafe && solref[0] < 2 * h)) && longest < longest_step_) {
      longest_step_ = longest;
      stiffest_ = g;
      softened_ = stable;
    }
  }

  /// Whether a geom belongs to the limb's foot: it is named as a foot, or, where none is named, it is on the last link.
  bool is_foot(int g, const Part& part) const {
    if (part.link == 0) return false;
    const std::vector<std::string>& feet = source_.feet;
    if (feet.empty()) {
      return part.link == static_cast<int>(source_.limbs.chain[static_cast<std::size_t>(part.limb)].size());
    }
    const char* name = mj_id2name(m_, mjOBJ_GEOM, g);
    return name != nullptr && std::find(feet.begin(), feet.end(), name) != feet.end();
  }

  void add_geom(int g) {
    std::vector<int> grounds;
    for (const int ground : ground_) {
      if (masks_match(m_, g, ground) && !excluded(m_, g, ground)) grounds.push_back(ground);
    }
    if (grounds.empty()) return;
    const int type = m_->geom_type[g];
    if (type != mjGEOM_SPHERE && type != mjGEOM_CAPSULE && type != mjGEOM_BOX && type != mjGEOM_CYLINDER) {
      refuse(g,
             fmt::format("is a {} that touches the ground; spheres, capsules, boxes and cylinders are simulated, and "
                         "`stampede import` fits one",
                         shape_word(type)));
    }
    const ContactModel<double> contact = combined(g, grounds.front());
    for (const int ground : grounds) {
      const ContactModel<double> other = combined(g, ground);
      const Softness<double>&a = contact.softness, &b = other.softness;
      if (contact.friction != other.friction || contact.margin != other.margin || a.stiffness != b.stiffness ||
          a.damping != b.damping || a.slack != b.slack || a.rise != b.rise || a.inverse_width != b.inverse_width ||
          a.midpoint != b.midpoint || a.power != b.power) {
        refuse(ground, fmt::format("has other contact parameters than {}; all of the ground has the same",
                                   name_of(m_, mjOBJ_GEOM, grounds.front())));
      }
    }
    const Part part = source_.limbs.part[static_cast<std::size_t>(m_->geom_bodyid[g])];
    const Pose pose = pose_on_link(source_, g);
    const bool foot = is_foot(g, part);
    const double* size = m_->geom_size + 3 * g;
    const auto add = [&](ContactShape shape, Vec3<double> point, Vec3<double> axis, double radius, double half_length) {
      Candidate candidate{part.limb, part.link, foot, shape, contact};
      candidate.contact.point = point;
      candidate.contact.axis = axis;
      candidate.contact.radius = radius;
      candidate.contact.half_length = half_length;
      candidates_.push_back(candidate);
    };
    const Vec3<double> z = pose.axes.z;
    switch (type) {
      case mjGEOM_SPHERE:
        add(ContactShape::kPoint, pose.origin, {0, 0, 0}, size[0], 0);
        break;
      case mjGEOM_CAPSULE:
        add(ContactShape::kPoint, pose.origin + z * size[1], z, size[0], 0);
        add(ContactShape::kPoint, pose.origin - z * size[1], z, size[0], 0);
        break;
      case mjGEOM_CYLINDER:
        add(ContactShape::kCylinder, pose.origin, z, size[0], size[1]);
        break;
      default:
        for (int i = 0; i < 8; ++i) {
          const Vec3<double> corner =
              pose.axes * Vec3<double>{(i & 1) != 0 ? size[0] : -size[0], (i & 2) != 0 ? size[1] : -size[1],
                                       (i & 4) != 0 ? size[2] : -size[2]};
          add(ContactShape::kCorner, pose.origin + corner, corner, 0, 0);
        }
    }
  }

  void note_self_collision() {
    for (int a = 0; a < m_->ngeom; ++a) {
      for (int b = 0; b < a; ++b) {
        const int body_a = m_->body_weldid[m_->geom_bodyid[a]], body_b = m_->body_weldid[m_->geom_bodyid[b]];
        if (body_a == body_b || !masks_match(m_, a, b) || excluded(m_, a, b)) continue;
        if (static_geom(a) && static_geom(b)) continue;
        if ((static_geom(a) && m_->geom_bodyid[a] == 0) || (static_geom(b) && m_->geom_bodyid[b] == 0)) continue;
        const bool related = m_->body_weldid[m_->body_parentid[body_a]] == body_b ||
                             m_->body_weldid[m_->body_parentid[body_b]] == body_a;
        if (related && body_a != 0 && body_b != 0 && (m_->opt.disableflags & mjDSBL_FILTERPARENT) == 0) continue;
        source_.notes.push_back(fmt::format("parts of the robot pass through each other: {} and {} could meet",
                                            name_of(m_, mjOBJ_GEOM, b), name_of(m_, mjOBJ_GEOM, a)));
        return;
      }
    }
  }

  /// Assigns the base's candidates to limbs: evenly for each kind of shape, nearest pairs of candidate and limb first.
  void share_out() {
    const int limbs = robot_.limbs;
    for (const ContactShape shape : {ContactShape::kPoint, ContactShape::kCorner, ContactShape::kCylinder}) {
      std::vector<Candidate*> mine;
      for (Candidate& c : candidates_) {
        if (c.link == 0 && c.shape == shape) mine.push_back(&c);
      }
      const int most = (static_cast<int>(mine.size()) + limbs - 1) / limbs;
      struct Pair {
        double distance;
        std::size_t candidate;
        int limb;
      };
      std::vector<Pair> pairs;
      for (std::size_t i = 0; i < mine.size(); ++i) {
        for (int l = 0; l < limbs; ++l) {
          const Vec3<double> root = robot_.joint[static_cast<std::size_t>(l * robot_.size.joints)].offset;
          pairs.push_back({length(mine[i]->contact.point - root), i, l});
        }
      }
      std::stable_sort(pairs.begin(), pairs.end(),
                       [](const Pair& a, const Pair& b) { return a.distance < b.distance; });
      std::vector<int> held(static_cast<std::size_t>(limbs), 0);
      for (const Pair& pair : pairs) {
        Candidate& c = *mine[pair.candidate];
        int& count = held[static_cast<std::size_t>(pair.limb)];
        if (c.limb >= 0 || count == most) continue;
        c.limb = pair.limb;
        ++count;
      }
    }
  }

  /// Arranges the candidates in rows: one row holds the k-th candidate of each limb with the same link, shape and foot
  /// flag, those with the largest radius and farthest out first.
  void finish() {
    index_map();
    share_out();
    std::stable_sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
      if (a.contact.radius != b.contact.radius) return a.contact.radius > b.contact.radius;
      return length(a.contact.point) > length(b.contact.point) + 1e-9;
    });
    std::map<std::tuple<int, ContactShape, bool>, std::vector<std::vector<const Candidate*>>> groups;
    for (const Candidate& c : candidates_) {
      auto& lanes = groups[{c.link, c.shape, c.foot}];
      lanes.resize(static_cast<std::size_t>(robot_.limbs));
      lanes[static_cast<std::size_t>(c.limb)].push_back(&c);
    }
    for (const auto& [key, lanes] : groups) {
      std::size_t most = 0;
      for (const auto& lane : lanes) most = std::max(most, lane.size());
      for (std::size_t k = 0; k < most; ++k) {
        const auto& [link, shape, foot] = key;
        ContactKind kind{shape, link, true, foot, 0};
        const std::size_t row = robot_.contact.size();
        robot_.contact.resize(row + static_cast<std::size_t>(robot_.size.limbs), absent_contact());
        for (std::size_t l = 0; l < lanes.size(); ++l) {
          if (k >= lanes[l].size()) continue;
          robot_.contact[row + l] = lanes[l][k]->contact;
          kind.square &= lanes[l][k]->contact.softness.power == 2;
        }
        robot_.kind.push_back(kind);
      }
    }
    robot_.options.candidates = static_cast<int>(robot_.kind.size());
    robot_.options.slots = measured_slots(robot_);
    if (condim_ > 3) {
      source_.notes.push_back(
          fmt::format("contacts of condim {} run as condim 3: no torsional or rolling friction", condim_));
    }
    if (stiffest_ >= 0) {
      source_.notes.push_back(
          fmt::format("timestep {} is too long for the contacts of {}, {}; the longest that fits is {:.3g}",
                      m_->opt.timestep, name_of(m_, mjOBJ_GEOM, stiffest_),
                      softened_ ? "which are softened to it" : "which are unstable at it", longest_step_));
    }
  }

  const ModelSource& source_;
  const mjModel* m_;
  RobotModel& robot_;
  std::vector<int> ground_;
  std::vector<Candidate> candidates_;
  std::shared_ptr<GroundMap> map_;
  int plane_ = -1, heights_ = -1, condim_ = 0, stiffest_ = -1;
  double longest_step_ = 1e30;
  bool softened_ = false;
};

}  // namespace

const char* shape_word(int type) {
  switch (type) {
    case mjGEOM_PLANE:
      return "plane";
    case mjGEOM_HFIELD:
      return "heightfield";
    case mjGEOM_SPHERE:
      return "sphere";
    case mjGEOM_CAPSULE:
      return "capsule";
    case mjGEOM_ELLIPSOID:
      return "ellipsoid";
    case mjGEOM_CYLINDER:
      return "cylinder";
    case mjGEOM_BOX:
      return "box";
    case mjGEOM_MESH:
      return "mesh";
    default:
      return "shape";
  }
}

Pose world_pose_of(const mjModel* m, int geom) {
  Pose pose = pose_at(m->geom_pos + 3 * geom, m->geom_quat + 4 * geom);
  for (int body = m->geom_bodyid[geom]; body != 0; body = m->body_parentid[body]) {
    pose = pose_at(m->body_pos + 3 * body, m->body_quat + 4 * body) * pose;
  }
  return pose;
}

void read_shapes(const ModelSource& source, RobotModel& robot) { Shapes(source, robot).read(); }

}  // namespace stampede
