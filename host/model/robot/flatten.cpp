#include "host/model/robot/flatten.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <set>

#include "host/base/files.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 32;  ///< levels of includes in includes, at most

/// The name behind '<' or '</'.
std::string name_of_tag(const std::string& tag) {
  std::size_t begin = tag.find_first_not_of("</");
  if (begin == std::string::npos) return "";
  const std::size_t end = tag.find_first_of(" \t\r\n/>", begin);
  return tag.substr(begin, end - begin);
}

/// Calls edit(name, value) for each attribute of a tag; what it leaves in the value is written back.
void edit_attributes(std::string& tag, const std::function<void(const std::string&, std::string&)>& edit) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t equals = tag.find('='); equals != std::string::npos; equals = tag.find('=', at)) {
    std::size_t end = equals;
    while (end > at && std::isspace(static_cast<unsigned char>(tag[end - 1]))) --end;
    std::size_t begin = end;
    while (begin > at && !std::isspace(static_cast<unsigned char>(tag[begin - 1]))) --begin;
    const std::size_t open = tag.find_first_of("\"'", equals);
    const std::size_t close = open == std::string::npos ? open : tag.find(tag[open], open + 1);
    if (close == std::string::npos) break;
    std::string value = tag.substr(open + 1, close - open - 1);
    edit(tag.substr(begin, end - begin), value);
    out += tag.substr(at, open + 1 - at) + value;
    at = close;
    // The closing quote is copied as it is: the search goes on behind it.
    out += tag[at++];
  }
  tag = out + tag.substr(at);
}

std::string attribute(std::string tag, const std::string& name) {
  std::string found;
  edit_attributes(tag, [&](const std::string& key, std::string& value) {
    if (key == name) found = value;
  });
  return found;
}

class Flattener {
 public:
  Flattener(const fs::path& file, FlatDescription& flat) : file_(file), flat_(flat) {}

  /// The text with includes put in. `inner`: without the root element around it.
  std::string expand(const fs::path& file, bool inner, int depth) {
    flat_.sources.push_back(file);
    if (depth > kDeepest) {
      refuse("its files include each other in a circle");
      return "";
    }
    std::string out;
    for_each_piece(read_file(file), [&](std::string piece, bool is_tag) {
      const bool included = is_tag && name_of_tag(piece) == "include" && piece[1] != '/';
      if (!included) {
        out += piece;
        return;
      }
      const fs::path name = attribute(piece, "file");
      fs::path path = file_.parent_path() / name;
      if (!is_file(path)) path = file.parent_path() / name;
      if (!is_file(path)) return refuse("its include '" + name.string() + "' is not found");
      out += expand(path, true, depth + 1);
    });
    // An <include ...></include> has left its closing tag over.
    for (std::size_t at = out.find("</include>"); at != std::string::npos; at = out.find("</include>"))
      out.erase(at, 10);
    return inner ? without_root(out) : out;
  }

  /// The text with references to files reduced to the files' names. `used`: paths of all files that it was compiled
  /// with.
  std::string without_folders(const std::string& text, const std::vector<std::string>& used) {
    std::set<std::string> folders = {""};
    for_each_piece(text, [&](std::string tag, bool is_tag) {
      if (!is_tag || name_of_tag(tag) != "compiler") return;
      for (const char* key : {"meshdir", "texturedir", "assetdir"}) folders.insert(attribute(tag, key));
    });
    std::map<std::string, fs::path> assets;
    for (const std::string& path : used) {
      const fs::path found = find(path, folders);
      if (found.empty()) {
        refuse("'" + path + "' is not found");
        continue;
      }
      const auto [place, fresh] = assets.emplace(found.filename().string(), found);
      std::error_code code;
      if (!fresh && !fs::equivalent(place->second, found, code)) {
        refuse("two of its files are called '" + found.filename().string() + "'");
      }
    }
    if (assets.count(file_.filename().string()) > 0) refuse("one of its files is called as itself");
    for (const auto& [name, path] : assets) flat_.assets.push_back(path);
    std::string out;
    for_each_piece(text, [&](std::string tag, bool is_tag) {
      const std::string element = is_tag ? name_of_tag(tag) : "";
      if (element == "model" && !attribute(tag, "file").empty()) refuse("it attaches another model");
      if (element == "compiler") {
        edit_attributes(tag, [](const std::string& key, std::string& value) {
          if (key == "meshdir" || key == "texturedir" || key == "assetdir") value.clear();
        });
      } else if (element == "mesh" || element == "hfield" || element == "texture" || element == "skin") {
        edit_attributes(tag, [&](const std::string& key, std::string& value) {
          if (key.rfind("file", 0) != 0) return;
          const std::string name = value.substr(value.find_last_of("/\\") + 1);
          if (assets.count(name) > 0) value = name;
        });
      }
      out += tag;
    });
    return out;
  }

 private:
  void refuse(const std::string& why) {
    if (flat_.refusal.empty()) flat_.refusal = why;
  }

  fs::path find(const std::string& path, const std::set<std::string>& folders) const {
    if (fs::path(path).is_absolute()) return is_file(path) ? fs::path(path) : fs::path();
    for (const std::string& folder : folders) {
      const fs::path beside = file_.parent_path() / folder / path;
      if (is_file(beside)) return beside;
    }
    return is_file(path) ? fs::path(path) : fs::path();
  }

  /// Calls take(piece, whether it is a tag) for all of a text: tags, and what lies between them, comments included.
  static void for_each_piece(const std::string& text, const std::function<void(std::string, bool)>& take) {
    for (std::size_t at = 0; at < text.size();) {
      std::size_t end = text.size();
      bool is_tag = false;
      if (text.compare(at, 4, "<!--") == 0) {
        const std::size_t close = text.find("-->", at);
        if (close != std::string::npos) end = close + 3;
      } else if (text[at] == '<') {
        is_tag = at + 1 < text.size() && text[at + 1] != '?' && text[at + 1] != '!';
        char quote = 0;
        for (std::size_t i = at + 1; i < text.size(); ++i) {
          const char c = text[i];
          if (quote != 0) {
            if (c == quote) quote = 0;
          } else if (c == '"' || c == '\'') {
            quote = c;
          } else if (c == '>') {
            end = i + 1;
            break;
          }
        }
      } else {
        end = std::min(text.find('<', at), text.size());
      }
      take(text.substr(at, end - at), is_tag);
      at = end;
    }
  }

  static std::string without_root(const std::string& text) {
    std::vector<std::pair<std::string, bool>> pieces;
    for_each_piece(text, [&](std::string piece, bool is_tag) { pieces.emplace_back(std::move(piece), is_tag); });
    const auto tag = [](const auto& piece) { return piece.second; };
    const auto first = std::find_if(pieces.begin(), pieces.end(), tag);
    const auto last = std::find_if(pieces.rbegin(), pieces.rend(), tag).base();
    std::string out;
    if (first == pieces.end() || last - first < 2) return out;
    for (auto piece = first + 1; piece != last - 1; ++piece) out += piece->first;
    return out;
  }

  const fs::path& file_;
  FlatDescription& flat_;
};

}  // namespace

FlatDescription flatten_description(const fs::path& file, const std::vector<std::string>& used) {
  FlatDescription flat;
  Flattener flattener(file, flat);
  flat.text = flattener.without_folders(flattener.expand(file, false, 0), used);
  return flat;
}

}  // namespace stampede
