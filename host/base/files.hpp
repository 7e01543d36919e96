#pragma once
/// \file Files without half-written content: replaced in one step, or appended to and cut back where that fails. Locks.
///
/// Every failure is an Error that names the file and the system's reason.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace stampede {

/// Largest sizes of files that a user names [bytes]: for settings and descriptions, which are text; for anything else.
inline constexpr std::uintmax_t kLargestText = std::uintmax_t{64} << 20, kLargestFile = UINTMAX_MAX;

/// The file's bytes. Throws Error where it cannot be read, where it holds more than `most` bytes or more than fits into
/// memory, and where it is a device with more than 64 KiB: a name such as /dev/zero is a mistake.
std::string read_file(const std::filesystem::path& path, std::uintmax_t most = kLargestFile);

/// Whether a written file must outlive a power failure too, which costs milliseconds, or only the process's end.
enum class Durability { kDisk, kProcess };

/// Writes `bytes` to a file beside `path` (or at `beside`, on the same file system) and renames it. Afterwards `path`
/// holds either all of `bytes` or what it held before; nothing half-written stays behind. With kDisk that is so after a
/// power failure too: the bytes are on the disk before the renaming, and the renaming before the return.
void write_file(const std::filesystem::path& path, std::string_view bytes, Durability durability = Durability::kDisk,
                std::filesystem::path beside = {});

/// Waits until a folder's entries (an empty path: the current folder's) are on the disk. Throws Error where that fails.
void sync_directory(const std::filesystem::path& path);

/// Whether `path` is a file, or a link to one.
bool is_file(const std::filesystem::path& path);

/// Makes a directory and those above it. Throws Error where that cannot be done.
void make_directory(const std::filesystem::path& path);

/// A file that is appended to, each time completely or not at all.
class AppendFile {
 public:
  AppendFile() = default;
  /// Opens `path`, made where it is not there.
  explicit AppendFile(const std::filesystem::path& path);
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&& other) noexcept;
  ~AppendFile();

  /// Appends `bytes`. Where not all can be written, the file is cut back to its earlier length and an Error thrown.
  void append(std::string_view bytes);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// An exclusive lock on a file, held until the object ends or the process dies.
class FileLock {
 public:
  /// Nothing where another process holds it. Throws Error where the file cannot be opened.
  static std::optional<FileLock> take(const std::filesystem::path& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace stampede
