#include "host/model/robot/description.hpp"

#include <mujoco/mujoco.h>

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/model/robot/urdf_text.hpp"

namespace stampede {
namespace {

/// Set where MuJoCo's parser warned of a NaN in the file.
thread_local bool not_a_number = false;

/// Installs a handler of MuJoCo's warnings, which would be printed and written to a log file. Only that of a NaN is
/// used: everything else that matters is an error.
void take_warnings() {
  static std::once_flag once;
  std::call_once(once, [] {
    mju_user_warning = [](const char* text) {
      if (std::string(text).find("NaN") != std::string::npos) not_a_number = true;
    };
  });
}

/// The first element of a file with an attribute that is not a number, as "<joint ... range="nan 1">" is; empty where
/// the file itself has none.
std::string element_with_nan(const std::string& text) {
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (std::size_t at = lower.find("nan"); at != std::string::npos; at = lower.find("nan", at + 1)) {
    const auto letter = [&](std::size_t i) {
      return i < lower.size() && std::isalnum(static_cast<unsigned char>(lower[i]));
    };
    const std::size_t begin = text.rfind('<', at), end = text.find('>', at);
    if (letter(at + 3) || (at > 0 && letter(at - 1)) || begin == std::string::npos || end == std::string::npos)
      continue;
    return one_line(text.substr(begin, std::min(end - begin + 1, std::size_t{160})));
  }
  return "";
}

/// The name of a text's root element.
std::string root_of(const std::string& text) {
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1)) {
    if (text.compare(at, 4, "<!--") == 0) {
      at = text.find("-->", at);
      if (at == std::string::npos) return "";
    } else if (at + 1 < text.size() && std::isalpha(static_cast<unsigned char>(text[at + 1]))) {
      const std::size_t end = text.find_first_of(" \t\r\n/>", at);
      return text.substr(at + 1, end == std::string::npos ? std::string::npos : end - at - 1);
    }
  }
  return "";
}

}  // namespace

std::string one_line(const std::string& message) {
  std::string line;
  for (const char c : message) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (space && (line.empty() || line.back() == ' ')) continue;
    line += space ? ' ' : c;
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

Description parse_description(const std::filesystem::path& file) {
  take_warnings();
  const std::string text = read_file(file, kLargestText);
  const std::string root = root_of(text);
  if (root != "mujoco" && root != "robot") {
    throw Error(fmt::format("{}: {}; MJCF, whose root is <mujoco>, or URDF, whose root is <robot>, would be right",
                            file.string(), root.empty() ? "is not XML" : "is XML with the root <" + root + ">"));
  }
  Description description;
  description.file = file;
  description.urdf = root == "robot";
  description.visuals = description.urdf && text.find("<visual") != std::string::npos;
  char message[1000] = "";
  not_a_number = false;
  const std::string settled = description.urdf ? with_single_materials(text, description.changes) : text;
  // From the file where its text is unchanged, because includes are relative to it. Only a URDF's is changed, which has
  // none.
  description.spec.reset(settled == text ? mj_parseXML(file.c_str(), nullptr, message, sizeof message)
                                         : mj_parseXMLString(settled.c_str(), nullptr, message, sizeof message));
  if (!description.spec) {
    throw Error(fmt::format("{}: cannot be read as a robot's description: {}", file.string(), one_line(message)));
  }
  if (not_a_number) {
    const std::string element = element_with_nan(text);
    throw Error(fmt::format("{}: {} has a number that is NaN; finite numbers would be right", file.string(),
                            element.empty() ? "an element" : element));
  }
  return description;
}

ModelHandle compile_description(mjSpec* spec, const std::filesystem::path& file) {
  take_warnings();
  ModelHandle model(mj_compile(spec, nullptr));
  if (!model) {
    std::string message = one_line(mjs_getError(spec));
    if (message.rfind("Error: ", 0) == 0) message.erase(0, 7);
    throw Error(fmt::format("{}: MuJoCo cannot compile it: {}", file.string(), message));
  }
  return model;
}

std::vector<mjsElement*> elements_of(mjSpec* spec, mjtObj kind) {
  std::vector<mjsElement*> elements;
  for (mjsElement* e = mjs_firstElement(spec, kind); e != nullptr; e = mjs_nextElement(spec, e)) elements.push_back(e);
  return elements;
}

std::string label_of(mjsElement* element) {
  const std::string kind = mju_type2Str(element->elemtype);
  const std::string name = mjs_getString(mjs_getName(element));
  if (!name.empty()) return fmt::format("{} '{}'", kind, name);
  if (element->elemtype == mjOBJ_ACTUATOR) {
    const std::string target = mjs_getString(mjs_asActuator(element)->target);
    return target.empty() ? kind : fmt::format("{} of '{}'", kind, target);
  }
  mjsBody* body = element->elemtype == mjOBJ_BODY ? nullptr : mjs_getParent(element);
  return body == nullptr ? kind : fmt::format("{} of body '{}'", kind, mjs_getString(mjs_getName(body->element)));
}

bool set_base(mjSpec* spec, bool free) {
  // The base: of the world's child bodies the first with joints, its own or those of bodies below it; else the first.
  mjsBody *base = nullptr, *world = mjs_findBody(spec, "world");
  std::vector<mjsElement*> free_joints;
  for (mjsElement* e : elements_of(spec, mjOBJ_JOINT)) {
    if (mjs_asJoint(e)->type == mjJNT_FREE) free_joints.push_back(e);
  }
  const bool on_top = free_joints.size() == 1 && mjs_getParent(mjs_getParent(free_joints[0])->element) == world;
  if (free ? on_top : free_joints.empty()) return false;
  for (mjsElement* e = mjs_firstChild(world, mjOBJ_BODY, 0); e != nullptr; e = mjs_nextChild(world, e, 0)) {
    mjsBody* body = mjs_asBody(e);
    if (base == nullptr || mjs_firstChild(body, mjOBJ_JOINT, 1) != nullptr) base = body;
    if (mjs_firstChild(body, mjOBJ_JOINT, 1) != nullptr) break;
  }
  if (base == nullptr) return false;
  for (mjsElement* joint : free_joints) mjs_delete(spec, joint);
  // A base that is moved by a hinge or slide joint is a limb's first link: it gets no free joint.
  if (free && mjs_firstChild(base, mjOBJ_JOINT, 0) != nullptr) return !free_joints.empty();
  if (free) mjs_addFreeJoint(base);
  for (mjsElement* e : elements_of(spec, mjOBJ_KEY)) {
    mjsKey* key = mjs_asKey(e);
    int count = 0;
    const double* given = mjs_getDouble(key->qpos, &count);
    std::vector<double> qpos(given, given + count);
    if (free_joints.empty() && free && count > 0) {
      qpos.insert(qpos.begin(), base->quat, base->quat + 4);
      qpos.insert(qpos.begin(), base->pos, base->pos + 3);
    } else if (!free && count >= 7) {
      qpos.erase(qpos.begin(), qpos.begin() + 7);
    }
    mjs_setDouble(key->qpos, qpos.data(), static_cast<int>(qpos.size()));
    mjs_setDouble(key->qvel, nullptr, 0);
  }
  return true;
}

}  // namespace stampede
