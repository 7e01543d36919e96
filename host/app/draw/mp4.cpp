/// \file MP4, made by ffmpeg: frames go to its standard input.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "host/app/draw/image_io.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"

extern char** environ;

namespace stampede {
namespace {

class Mp4Writer : public FilmWriter {
 public:
  Mp4Writer(const std::filesystem::path& path, int width, int height, double fps)
      : path_(path),
        partial_(path.parent_path() / ("." + path.filename().string() + ".partial")),
        width_(width),
        height_(height),
        messages_(std::tmpfile()) {
    if (messages_ == nullptr) throw Error(fmt::format("cannot write a temporary file: {}", std::strerror(errno)));
    // A socket and not a pipe: where ffmpeg has ended, writing to a socket can return an error instead of raising a
    // signal.
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw Error(fmt::format("cannot make a socket: {}", std::strerror(errno)), Status::kFailed);
    }
    socket_ = ends[0];
    // Odd sizes get one more row or column, because colours are stored at half the resolution (yuv420p).
    std::vector<std::string> words = {"ffmpeg",
                                      "-nostdin",
                                      "-hide_banner",
                                      "-loglevel",
                                      "error",
                                      "-y",
                                      "-f",
                                      "rawvideo",
                                      "-pix_fmt",
                                      "rgb24",
                                      "-s",
                                      fmt::format("{}x{}", width, height),
                                      "-r",
                                      fmt::format("{}", fps),
                                      "-i",
                                      "pipe:0",
                                      "-an",
                                      "-vf",
                                      "pad=ceil(iw/2)*2:ceil(ih/2)*2",
                                      "-c:v",
                                      "libx264",
                                      "-crf",
                                      "20",
                                      "-pix_fmt",
                                      "yuv420p",
                                      "-movflags",
                                      "+faststart",
                                      "-f",
                                      "mp4",
                                      "file:" + partial_.string()};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, ::fileno(messages_), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, ::fileno(messages_), STDERR_FILENO);
    const int reason = ::posix_spawnp(&process_, "ffmpeg", &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (reason != 0) {
      process_ = -1;
      close_all();
      if (reason == ENOENT) {
        throw Error(
            "an .mp4 needs the program ffmpeg, which is not on PATH; install the package ffmpeg, or choose .gif");
      }
      throw Error(fmt::format("cannot run ffmpeg: {}; choose .gif", std::strerror(reason)), Status::kFailed);
    }
  }
  ~Mp4Writer() override {
    if (finished_) return;
    close_all();
    if (process_ > 0) wait();
    ::unlink(partial_.c_str());
  }

  void add(const Image& frame) override {
    if (frame.width != width_ || frame.height != height_) throw Error("a film's frames must be of one size");
    const std::uint8_t* bytes = frame.rgb.data();
    std::size_t left = frame.rgb.size();
    while (left > 0) {
      const ssize_t sent = ::send(socket_, bytes, left, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno == EINTR) continue;
        fail();  // ffmpeg has ended, and says why
      }
      bytes += sent;
      left -= static_cast<std::size_t>(sent);
    }
  }

  void finish() override {
    ::close(std::exchange(socket_, -1));
    if (wait() != 0) fail();
    std::error_code code;
    std::filesystem::rename(partial_, path_, code);
    if (code) {
      throw Error("cannot write " + path_.string() + ": " + code.message() + "; choose a path that is not a folder");
    }
    finished_ = true;
    close_all();
  }

 private:
  /// The exit status, once; -1 for a signal.
  int wait() {
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  void close_all() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    if (messages_ != nullptr) std::fclose(std::exchange(messages_, nullptr));
  }

  [[noreturn]] void fail() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    if (process_ > 0) wait();
    std::string said;
    std::rewind(messages_);
    char line[400];
    while (std::fgets(line, sizeof line, messages_) != nullptr) said = line;  // the last line is the one that counts
    while (!said.empty() && said.back() == '\n') said.pop_back();
    throw Error("cannot write " + path_.string() + ": ffmpeg says: " + (said.empty() ? "nothing" : said) +
                "; choose another folder, or .gif");
  }

  std::filesystem::path path_, partial_;
  int width_, height_;
  std::FILE* messages_;
  int socket_ = -1;
  pid_t process_ = -1;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<FilmWriter> make_mp4(const std::filesystem::path& path, int width, int height, double fps) {
  return std::make_unique<Mp4Writer>(path, width, height, fps);
}

}  // namespace stampede
