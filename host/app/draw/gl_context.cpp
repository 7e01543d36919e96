/// \file An OpenGL context without a window: EGL, else OSMesa.
#include "host/app/draw/gl_context.hpp"

#include <dlfcn.h>
#include <stdlib.h>

#include <array>
#include <cstdint>
#include <vector>

#include "host/base/error.hpp"

namespace stampede {
namespace {

template <class Function>
Function* symbol(void* library, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(library, name));
}

/// Why dlopen failed, for the end of an error's line.
std::string load_failure() {
  const char* reason = ::dlerror();
  return reason == nullptr ? "cannot be loaded" : reason;
}

// --- EGL ---

using Display = void*;
using Config = void*;
using Handle = void*;

constexpr int kEglNone = 0x3038;
constexpr unsigned kEglOpenGl = 0x30A2, kEglDevicePlatform = 0x313F, kEglSurfacelessPlatform = 0x31DD;

/// The functions of libEGL that are needed, by their signatures in Khronos' registry.
struct Egl {
  using Procedure = void (*)();
  explicit Egl(void* library)
      : get_procedure(symbol<Procedure(const char*)>(library, "eglGetProcAddress")),
        get_display(symbol<Display(Handle)>(library, "eglGetDisplay")),
        initialize(symbol<unsigned(Display, int*, int*)>(library, "eglInitialize")),
        terminate(symbol<unsigned(Display)>(library, "eglTerminate")),
        bind_api(symbol<unsigned(unsigned)>(library, "eglBindAPI")),
        choose_config(symbol<unsigned(Display, const int*, Config*, int, int*)>(library, "eglChooseConfig")),
        create_context(symbol<Handle(Display, Config, Handle, const int*)>(library, "eglCreateContext")),
        destroy_context(symbol<unsigned(Display, Handle)>(library, "eglDestroyContext")),
        create_pbuffer(symbol<Handle(Display, Config, const int*)>(library, "eglCreatePbufferSurface")),
        destroy_surface(symbol<unsigned(Display, Handle)>(library, "eglDestroySurface")),
        make_current(symbol<unsigned(Display, Handle, Handle, Handle)>(library, "eglMakeCurrent")) {}

  bool complete() const {
    return get_procedure && get_display && initialize && terminate && bind_api && choose_config && create_context &&
           destroy_context && create_pbuffer && destroy_surface && make_current;
  }

  Procedure (*get_procedure)(const char*);
  Display (*get_display)(Handle);
  unsigned (*initialize)(Display, int*, int*);
  unsigned (*terminate)(Display);
  unsigned (*bind_api)(unsigned);
  unsigned (*choose_config)(Display, const int*, Config*, int, int*);
  Handle (*create_context)(Display, Config, Handle, const int*);
  unsigned (*destroy_context)(Display, Handle);
  Handle (*create_pbuffer)(Display, Config, const int*);
  unsigned (*destroy_surface)(Display, Handle);
  unsigned (*make_current)(Display, Handle, Handle, Handle);
};

/// Displays to try, in this order: each device's, Mesa's without a surface, the default one.
std::vector<Display> displays_of(const Egl& egl) {
  std::vector<Display> displays;
  const auto query_devices =
      reinterpret_cast<unsigned (*)(int, Handle*, int*)>(egl.get_procedure("eglQueryDevicesEXT"));
  const auto platform_display =
      reinterpret_cast<Display (*)(unsigned, void*, const int*)>(egl.get_procedure("eglGetPlatformDisplayEXT"));
  if (platform_display != nullptr) {
    std::array<Handle, 16> devices{};
    int count = 0;
    if (query_devices != nullptr && query_devices(static_cast<int>(devices.size()), devices.data(), &count)) {
      for (int i = 0; i < count; ++i) displays.push_back(platform_display(kEglDevicePlatform, devices[i], nullptr));
    }
    displays.push_back(platform_display(kEglSurfacelessPlatform, nullptr, nullptr));
  }
  displays.push_back(egl.get_display(nullptr));
  return displays;
}

class EglContext : public GlContext {
 public:
  EglContext(const Egl& egl, Display display) : egl_(egl), display_(display) {}
  ~EglContext() override {
    egl_.make_current(display_, nullptr, nullptr, nullptr);
    if (surface_ != nullptr) egl_.destroy_surface(display_, surface_);
    if (context_ != nullptr) egl_.destroy_context(display_, context_);
    // The display stays: it is shared by all contexts of the process.
  }

  /// Whether a context could be made on the display.
  bool open() {
    const int attributes[] = {0x3033 /* surface type */,
                              1 /* pbuffer */,
                              0x3040 /* renderable */,
                              8 /* OpenGL */,
                              0x3024 /* red */,
                              8,
                              0x3023 /* green */,
                              8,
                              0x3022 /* blue */,
                              8,
                              0x3025 /* depth */,
                              24,
                              kEglNone};
    Config config = nullptr;
    int count = 0;
    if (!egl_.bind_api(kEglOpenGl) || !egl_.choose_config(display_, attributes, &config, 1, &count) || count < 1) {
      return false;
    }
    context_ = egl_.create_context(display_, config, nullptr, nullptr);
    if (context_ == nullptr) return false;
    if (egl_.make_current(display_, nullptr, nullptr, context_)) return true;
    // A driver that wants a surface gets a small one: what is drawn goes to MuJoCo's own buffer.
    const int size[] = {0x3057 /* width */, 16, 0x3056 /* height */, 16, kEglNone};
    surface_ = egl_.create_pbuffer(display_, config, size);
    return surface_ != nullptr && egl_.make_current(display_, surface_, surface_, context_);
  }

  void make_current() override {
    if (!egl_.bind_api(kEglOpenGl) || !egl_.make_current(display_, surface_, surface_, context_)) {
      throw Error("EGL lost its context; run the command again", Status::kFailed);
    }
  }
  std::string kind() const override { return "EGL"; }

 private:
  Egl egl_;
  Display display_;
  Handle context_ = nullptr, surface_ = nullptr;
};

std::unique_ptr<GlContext> make_egl(std::string& reason) {
  // Else Mesa reports on stderr every device that it does not find; our error says what matters.
  ::setenv("EGL_LOG_LEVEL", "fatal", 0);
  void* library = ::dlopen("libEGL.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    reason = load_failure();
    return nullptr;
  }
  const Egl egl(library);
  reason = "libEGL.so.1 gives no OpenGL context";
  if (!egl.complete()) return nullptr;
  for (const Display display : displays_of(egl)) {
    if (display == nullptr || !egl.initialize(display, nullptr, nullptr)) continue;
    auto context = std::make_unique<EglContext>(egl, display);
    if (context->open()) {
      // MuJoCo finds OpenGL's functions through the first library that offers them to the whole process.
      ::dlopen("libEGL.so.1", RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
      return context;
    }
  }
  return nullptr;
}

// --- OSMesa ---

class OsMesaContext : public GlContext {
 public:
  using Create = Handle(unsigned, int, int, int, Handle);
  using Destroy = void(Handle);
  using MakeCurrent = unsigned char(Handle, void*, unsigned, int, int);

  explicit OsMesaContext(void* library)
      : create_(symbol<Create>(library, "OSMesaCreateContextExt")),
        destroy_(symbol<Destroy>(library, "OSMesaDestroyContext")),
        make_current_(symbol<MakeCurrent>(library, "OSMesaMakeCurrent")) {}
  ~OsMesaContext() override {
    if (context_ != nullptr) destroy_(context_);
  }

  bool open() {
    if (!create_ || !destroy_ || !make_current_) return false;
    context_ = create_(kRgba, 24, 8, 0, nullptr);
    return context_ != nullptr && bind();
  }

  void make_current() override {
    if (!bind()) throw Error("OSMesa lost its context; run the command again", Status::kFailed);
  }
  std::string kind() const override { return "OSMesa"; }

 private:
  static constexpr unsigned kRgba = 0x1908, kUnsignedByte = 0x1401;
  static constexpr int kSide = 16;  // what is drawn goes to MuJoCo's own buffer, not here

  bool bind() { return make_current_(context_, pixels_.data(), kUnsignedByte, kSide, kSide) != 0; }

  Create* create_;
  Destroy* destroy_;
  MakeCurrent* make_current_;
  Handle context_ = nullptr;
  std::array<std::uint8_t, 4 * kSide * kSide> pixels_{};
};

std::unique_ptr<GlContext> make_osmesa(std::string& reason) {
  for (const char* name : {"libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"}) {
    void* library = ::dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
      if (reason.empty()) reason = load_failure();
      continue;
    }
    auto context = std::make_unique<OsMesaContext>(library);
    if (context->open()) return context;
    reason = std::string(name) + " gives no OpenGL context";
    return nullptr;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<GlContext> GlContext::make() {
  // The environment variable MUJOCO_GL chooses, as for MuJoCo's Python package.
  const char* wish = ::getenv("MUJOCO_GL");
  const std::string only = wish == nullptr ? "" : wish;
  std::string egl_reason, osmesa_reason;
  if (only != "osmesa") {
    if (auto context = make_egl(egl_reason)) return context;
  }
  if (only != "egl") {
    if (auto context = make_osmesa(osmesa_reason)) return context;
  }
  const std::string reasons = egl_reason + (egl_reason.empty() || osmesa_reason.empty() ? "" : "; ") + osmesa_reason;
  throw Error("cannot draw: no OpenGL without a window (" + reasons +
              "); install libegl1 and libgl1-mesa-dri, or libosmesa6");
}

}  // namespace stampede
