#include "host/model/robot/urdf_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace stampede {
namespace {

/// A tag of an XML text, from its `<` to behind its `>`.
struct Tag {
  std::size_t begin = std::string::npos, end = std::string::npos;
  std::string name;
  bool opens = false, closes = false;  ///< `<a/>` does both

  explicit operator bool() const { return begin != std::string::npos; }
};

/// The next tag at or after `from`; comments, declarations and CDATA are passed over.
Tag next_tag(const std::string& text, std::size_t from) {
  const std::pair<const char*, const char*> passed[] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}};
  Tag tag;
  for (std::size_t at = text.find('<', from); at != std::string::npos; at = text.find('<', at)) {
    const auto* skipped = std::find_if(std::begin(passed), std::end(passed), [&](const auto& pair) {
      return text.compare(at, std::string(pair.first).size(), pair.first) == 0;
    });
    if (skipped != std::end(passed)) {
      at = text.find(skipped->second, at);
      if (at == std::string::npos) return tag;
      continue;
    }
    // The end is the first > that no quotation marks enclose.
    std::size_t end = at + 1;
    for (char quote = 0; end < text.size() && (quote != 0 || text[end] != '>'); ++end) {
      if (quote == 0 && (text[end] == '"' || text[end] == '\'')) {
        quote = text[end];
      } else if (text[end] == quote) {
        quote = 0;
      }
    }
    if (end >= text.size()) return tag;
    tag.begin = at;
    tag.end = end + 1;
    tag.opens = text[at + 1] != '/';
    tag.closes = !tag.opens || text[end - 1] == '/';
    const std::size_t name = at + (tag.opens ? 1 : 2);
    tag.name = text.substr(name, text.find_first_of(" \t\r\n/>", name) - name);
    return tag;
  }
  return tag;
}

/// The value of a tag's attribute `name`; empty where it has none.
std::string name_in(const std::string& text, const Tag& tag) {
  for (std::size_t at = text.find("name", tag.begin); at < tag.end; at = text.find("name", at + 1)) {
    const std::size_t mark = text.find_first_not_of(" \t\r\n=", at + 4);
    if (mark >= tag.end || (text[mark] != '"' && text[mark] != '\'')) continue;
    return text.substr(mark + 1, text.find(text[mark], mark + 1) - mark - 1);
  }
  return "";
}

}  // namespace

std::string with_single_materials(std::string text, std::vector<std::string>& changes) {
  std::vector<std::string> open;  // names of the elements that enclose the current place
  std::string link;
  int materials = 0, taken_out = 0;
  const auto report = [&] {
    if (taken_out > 0) {
      changes.push_back(
          fmt::format("link '{}' has {} <material> too many in a <visual>: the first is taken", link, taken_out));
    }
    taken_out = 0;
  };
  std::size_t drop_from = std::string::npos;  // where a material begins that is taken out
  std::size_t drop_depth = 0;
  for (Tag tag = next_tag(text, 0); tag; tag = next_tag(text, tag.end)) {
    if (tag.opens) {
      if (tag.name == "link" && open.size() == 1) link = name_in(text, tag);
      if (tag.name == "visual") materials = 0;
      const bool of_visual = tag.name == "material" && !open.empty() && open.back() == "visual";
      if (of_visual && ++materials > 1) drop_from = tag.begin, drop_depth = open.size();
      open.push_back(tag.name);
    }
    if (!tag.closes) continue;
    if (open.empty()) break;
    open.pop_back();
    if (drop_from != std::string::npos && open.size() == drop_depth) {
      for (std::size_t i = drop_from; i < tag.end; ++i) text[i] = text[i] == '\n' ? '\n' : ' ';
      drop_from = std::string::npos;
      ++taken_out;
    }
    if (tag.name == "link" && open.size() == 1) report();
  }
  return text;
}

}  // namespace stampede
