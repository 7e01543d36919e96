#include "host/model/robot/limbs.hpp"

#include <fmt/format.h>

#include "host/base/error.hpp"
#include "host/engine/robot_model.hpp"

namespace stampede {
namespace {

const char* word_for(mjtObj kind) {
  const char* word = mju_type2Str(kind);
  return word != nullptr ? word : "element";
}

/// Topmost body of the rigid part that a body belongs to; 0 for what stands still.
int part_of(const mjModel* m, int body) { return m->body_weldid[body]; }

std::string first_joint_name(const mjModel* m, int body) { return name_of(m, mjOBJ_JOINT, m->body_jntadr[body]); }

}  // namespace

std::string name_of(const mjModel* model, mjtObj kind, int id) {
  const char* name = mj_id2name(model, kind, id);
  if (name != nullptr && name[0] != '\0') return fmt::format("{} '{}'", word_for(kind), name);
  // What has no name is called after the body or joint that it belongs to.
  mjtObj owner = mjOBJ_BODY;
  int of = -1;
  if (kind == mjOBJ_GEOM) of = model->geom_bodyid[id];
  if (kind == mjOBJ_JOINT) of = model->jnt_bodyid[id];
  if (kind == mjOBJ_ACTUATOR || kind == mjOBJ_EQUALITY) {
    owner = mjOBJ_JOINT;
    if (kind == mjOBJ_ACTUATOR && model->actuator_trntype[id] == mjTRN_JOINT) of = model->actuator_trnid[2 * id];
    if (kind == mjOBJ_EQUALITY && model->eq_type[id] == mjEQ_JOINT) of = model->eq_obj1id[id];
  }
  const char* known = of < 0 ? nullptr : mj_id2name(model, owner, of);
  if (known == nullptr || known[0] == '\0') return fmt::format("{} {}", word_for(kind), id);
  return fmt::format("{} {} of {} '{}'", word_for(kind), id, word_for(owner), known);
}

std::string plain_name(const mjModel* model, mjtObj kind, int id) {
  const char* name = mj_id2name(model, kind, id);
  return name == nullptr || name[0] == '\0' ? fmt::format("{} {}", word_for(kind), id) : std::string(name);
}

Limbs find_limbs(const mjModel* m, const std::string& file) {
  const int bodies = static_cast<int>(m->nbody);
  Limbs limbs;
  int free_body = -1;
  for (int j = 0; j < m->njnt; ++j) {
    const int body = m->jnt_bodyid[j];
    if (m->jnt_type[j] == mjJNT_FREE) {
      if (free_body >= 0) {
        throw Error(fmt::format("{}: {} is a second body that moves freely, beside {}; a file describes one robot",
                                file, name_of(m, mjOBJ_BODY, body), name_of(m, mjOBJ_BODY, free_body)));
      }
      free_body = body;
      if (m->body_jntnum[body] > 1) {
        throw Error(fmt::format("{}: {} has further joints beside its free joint; a base has that one only", file,
                                name_of(m, mjOBJ_BODY, body)));
      }
    } else if (m->jnt_type[j] == mjJNT_BALL) {
      throw Error(
          fmt::format("{}: {} is a ball joint; limbs have hinge and slide joints only, such as three hinges in a row",
                      file, name_of(m, mjOBJ_JOINT, j)));
    }
  }
  if (m->njnt - (free_body >= 0 ? 1 : 0) <= 0) {
    throw Error(
        fmt::format("{}: the robot has no joint that moves; at least one hinge or slide joint would be right", file));
  }

  // Children of each part, and the base: the body that moves freely, else the one that all limbs are attached to.
  std::vector<std::vector<int>> children(static_cast<std::size_t>(bodies));
  for (int body = 1; body < bodies; ++body) {
    if (part_of(m, body) != body || m->body_dofnum[body] == 0) continue;
    children[static_cast<std::size_t>(part_of(m, m->body_parentid[body]))].push_back(body);
  }
  limbs.floating = free_body >= 0;
  const int root = limbs.floating ? free_body : 0;
  if (limbs.floating) {
    limbs.base = free_body;
    for (const int body : children[0]) {
      if (body == free_body) continue;
      throw Error(fmt::format("{}: {} hangs on the world beside the free {}; a file describes one robot", file,
                              first_joint_name(m, body), name_of(m, mjOBJ_BODY, free_body)));
    }
  } else {
    limbs.base = m->body_parentid[children[0].front()];
    for (const int body : children[0]) {
      if (m->body_parentid[body] != limbs.base) limbs.base = 0;
    }
  }

  limbs.part.resize(static_cast<std::size_t>(bodies));
  std::vector<Part> top(static_cast<std::size_t>(bodies));
  top[0].world = !limbs.floating;
  if (limbs.floating) top[static_cast<std::size_t>(root)] = Part{};
  for (const int first : children[static_cast<std::size_t>(root)]) {
    std::vector<int> chain;
    const int limb = static_cast<int>(limbs.chain.size());
    for (int body = first;;) {
      for (int i = 0; i < m->body_jntnum[body]; ++i) {
        if (static_cast<int>(chain.size()) == kMaxJoints) {
          throw Error(fmt::format("{}: {} is joint number {} of its limb, which begins with {}; a limb has up to {}",
                                  file, name_of(m, mjOBJ_JOINT, m->body_jntadr[body] + i), kMaxJoints + 1,
                                  name_of(m, mjOBJ_JOINT, chain.front()), kMaxJoints));
        }
        chain.push_back(m->body_jntadr[body] + i);
      }
      top[static_cast<std::size_t>(body)] = {limb, static_cast<int>(chain.size()), false};
      const std::vector<int>& next = children[static_cast<std::size_t>(body)];
      if (next.empty()) break;
      if (next.size() > 1) {
        throw Error(
            fmt::format("{}: {} branches away from the base: {} carries {} as well; limbs are serial chains from "
                        "{} on",
                        file, first_joint_name(m, next[1]), name_of(m, mjOBJ_BODY, body), first_joint_name(m, next[0]),
                        limbs.base == 0 ? "the world" : name_of(m, mjOBJ_BODY, limbs.base)));
      }
      body = next.front();
    }
    limbs.chain.push_back(std::move(chain));
  }
  for (int body = 0; body < bodies; ++body) {
    Part& part = limbs.part[static_cast<std::size_t>(body)];
    part = top[static_cast<std::size_t>(part_of(m, body))];
    part.world = part_of(m, body) == 0;
  }

  // Poses at qpos0, where joints move nothing. A floating base's own frame is the origin, so that no digits are lost
  // where it is far from the world's.
  limbs.pose.resize(static_cast<std::size_t>(bodies));
  for (int body = 1; body < bodies; ++body) {
    const auto b = static_cast<std::size_t>(body);
    const auto parent = static_cast<std::size_t>(m->body_parentid[body]);
    const bool is_base = body == limbs.base && limbs.floating;
    limbs.pose[b] = is_base ? Pose{} : limbs.pose[parent] * pose_at(m->body_pos + 3 * body, m->body_quat + 4 * body);
  }
  if (!limbs.floating && limbs.base != 0) {
    const Pose base = limbs.pose[static_cast<std::size_t>(limbs.base)];
    for (Pose& pose : limbs.pose) pose = seen_from(base, pose);
  }
  return limbs;
}

}  // namespace stampede
