/// \file Pictures of a robot, drawn by MuJoCo's own renderer into memory.
#include "host/app/draw/renderer.hpp"

#include <mujoco/mujoco.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <string>
#include <vector>

#include "host/app/draw/gl_context.hpp"
#include "host/base/error.hpp"
#include "kernels/math.hpp"

namespace stampede {
namespace {

constexpr int kMaxGeoms = 20000;
/// What the map of shadows covers, in multiples of Renderer::reach. MuJoCo leaves out a texel at each edge of the map,
/// so that a shadow is displaced by up to one there, and even ground gets speckles; in the map's middle it gets none.
constexpr double kShadowMargin = 3.2;
constexpr float kLift = 1.3F;    ///< brightens a colour that the ground's texture darkens
constexpr double kMargin = 1.1;  ///< factor on the distance: free space around what is shown

/// The stage: sky and ground for models that have none. Only its textures are used.
constexpr const char* kStage = R"(<mujoco>
  <asset>
    <texture name="sky" type="skybox" builtin="gradient" rgb1="0.62 0.76 0.90" rgb2="0.95 0.97 1" width="256" height="256"/>
    <texture name="ground" type="2d" builtin="checker" rgb1="0.80 0.83 0.86" rgb2="0.70 0.74 0.78" width="256" height="256"/>
    <material name="ground" texture="ground" texrepeat="2 2" texuniform="true"/>
  </asset>
</mujoco>)";

struct DeleteModel {
  void operator()(mjModel* model) const { mj_deleteModel(model); }
};

std::unique_ptr<mjModel, DeleteModel> compile_stage() {
  char error[500] = "";
  mjSpec* spec = mj_parseXMLString(kStage, nullptr, error, sizeof error);
  mjModel* model = spec == nullptr ? nullptr : mj_compile(spec, nullptr);
  if (spec != nullptr) mj_deleteSpec(spec);
  if (model == nullptr)
    throw Error(std::string("MuJoCo does not take the stage's textures: ") + error, Status::kFailed);
  return std::unique_ptr<mjModel, DeleteModel>(model);
}

/// Whether geom `g` belongs to a body that can move.
bool moves(const mjModel* model, int g) { return model->body_weldid[model->geom_bodyid[g]] != 0; }

/// Whether geom `g` is ground of one colour, on which the motion of a robot over it could not be seen.
bool is_bare_ground(const mjModel* model, int g) {
  const int type = model->geom_type[g];
  return (type == mjGEOM_PLANE || type == mjGEOM_HFIELD || type == mjGEOM_BOX) && model->geom_matid[g] < 0 &&
         !moves(model, g);
}

}  // namespace

struct Renderer::Parts {
  const mjModel* model;
  int width, height;
  std::unique_ptr<GlContext> gl;
  std::unique_ptr<mjModel, DeleteModel> stage;
  mjrContext context, stage_context;
  mjvScene scene;
  mjvOption option;
  int ground_material = -1;  ///< the stage's, in the context's table
  std::vector<std::uint8_t> bottom_up;

  double half_angle() const { return 0.5 * model->vis.global.fovy * kPi / 180; }  ///< of view, vertical [rad]
  double aspect() const { return static_cast<double>(width) / height; }

  bool drawn(int g) const {
    const int group = std::clamp(model->geom_group[g], 0, mjNGROUP - 1);
    return option.geomgroup[group] != 0 && model->geom_rgba[4 * g + 3] > 0;
  }

  /// Gives the context the stage's textures for what the model lacks. MuJoCo keeps textures in tables by number; the
  /// skybox's belongs to the last material, as in MuJoCo's own mjr_makeContext.
  void borrow_stage() {
    bool has_sky = false, has_bare_ground = false;
    for (int i = 0; i < model->ntex; ++i) has_sky |= model->tex_type[i] == mjTEXTURE_SKYBOX;
    for (int i = 0; i < model->ngeom; ++i) has_bare_ground |= is_bare_ground(model, i);
    const auto borrow = [this](int type, int material) {
      for (int i = 0; i < stage->ntex; ++i) {
        if (stage->tex_type[i] != type) continue;
        const int place = context.ntexture++;
        context.textureType[place] = type;
        context.texture[place] = stage_context.texture[i];
        for (int role = 0; role < mjNTEXROLE; ++role) context.mat_texid[material * mjNTEXROLE + role] = -1;
        context.mat_texid[material * mjNTEXROLE + mjTEXROLE_RGB] = place;
      }
    };
    if (model->ntex + 2 > mjMAXTEXTURE || model->nmat + 2 > mjMAXMATERIAL) return;
    if (!has_sky) borrow(mjTEXTURE_SKYBOX, mjMAXMATERIAL - 1);
    if (has_bare_ground) {
      ground_material = model->nmat;
      borrow(mjTEXTURE_2D, ground_material);
      context.mat_texuniform[ground_material] = stage->mat_texuniform[0];
      for (int i = 0; i < 2; ++i) {
        context.mat_texrepeat[2 * ground_material + i] = stage->mat_texrepeat[i];
      }
    }
    borrowed = context.ntexture - model->ntex;
  }
  int borrowed = 0;

  /// Gives the scene the stage's ground and a light where the model has none, and directs its shadows at what is seen.
  void dress(const View& view, double reach) {
    for (int i = 0; ground_material >= 0 && i < scene.ngeom; ++i) {
      mjvGeom& geom = scene.geoms[i];
      if (geom.objtype != mjOBJ_GEOM || geom.matid >= 0 || !is_bare_ground(model, geom.objid)) continue;
      geom.matid = ground_material;
      // A plane is shown in the stage's colours; other ground keeps its own colour, on which the texture is drawn.
      for (int c = 0; c < 3; ++c)
        geom.rgba[c] = geom.type == mjGEOM_PLANE ? 1.0F : std::min(1.0F, kLift * geom.rgba[c]);
      geom.specular = 0.1F;
    }
    if (model->nlight == 0 && scene.nlight < mjMAXLIGHT) {
      mjvLight& light = scene.lights[scene.nlight++];
      light = mjvLight{};
      light.id = light.texid = -1;
      light.type = mjLIGHT_DIRECTIONAL;
      light.castshadow = 1;
      const float direction[3] = {0.21F, 0.26F, -0.94F};
      std::copy_n(direction, 3, light.dir);
      std::fill(light.diffuse, light.diffuse + 3, 0.7F);
      std::fill(light.ambient, light.ambient + 3, 0.2F);
      std::fill(light.specular, light.specular + 3, 0.15F);
      light.attenuation[0] = 1;
    }
    // A directional light's map of shadows is centred on the light and reaches as far as shadowClip. Only what is in
    // the picture needs shadows, so that is what it covers: at any place of the robot, and sharp with a small map.
    for (int i = 0; i < scene.nlight; ++i) {
      mjvLight& light = scene.lights[i];
      if (light.type != mjLIGHT_DIRECTIONAL || light.headlight) continue;
      for (int k = 0; k < 3; ++k) light.pos[k] = static_cast<float>(view.target[k] - 4 * reach * light.dir[k]);
    }
    context.shadowClip = static_cast<float>(kShadowMargin * reach);
  }
};

Renderer::Renderer(const mjModel_* model, int width, int height) : parts_(std::make_unique<Parts>()) {
  Parts& p = *parts_;
  p.model = model;
  p.width = width;
  p.height = height;
  p.gl = GlContext::make();
  p.stage = compile_stage();
  mjv_defaultOption(&p.option);
  bool any = false;
  for (int g = 0; g < model->ngeom; ++g) any |= moves(model, g) && p.drawn(g);
  // Where a description hides all shapes that move, all are shown: the picture would be empty else.
  if (!any) std::fill(p.option.geomgroup, p.option.geomgroup + mjNGROUP, mjtByte{1});
  mjv_defaultScene(&p.scene);
  mjv_makeScene(model, &p.scene, kMaxGeoms);
  mjr_defaultContext(&p.context);
  {
    // Shadows about as fine as the picture: without a GPU a larger map takes most of the time.
    const std::unique_ptr<mjModel, DeleteModel> copy(mj_copyModel(nullptr, model));
    if (copy == nullptr) throw std::bad_alloc();
    int& size = copy->vis.quality.shadowsize;
    while (size > 1024 && size / 2 >= 2 * std::max(width, height)) size /= 2;
    mjr_makeContext(copy.get(), &p.context, mjFONTSCALE_100);
  }
  mjr_defaultContext(&p.stage_context);
  mjr_makeContext(p.stage.get(), &p.stage_context, mjFONTSCALE_100);
  p.borrow_stage();
  mjr_resizeOffscreen(width, height, &p.context);
  mjr_setBuffer(mjFB_OFFSCREEN, &p.context);
  p.scene.flags[mjRND_SHADOW] = 1;
  p.scene.flags[mjRND_REFLECTION] = 1;
  p.scene.flags[mjRND_HAZE] = 1;
  p.bottom_up.resize(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
}

Renderer::~Renderer() {
  Parts& p = *parts_;
  if (p.gl == nullptr) return;
  p.gl->make_current();
  p.context.ntexture -= p.borrowed;  // they are freed with the stage's context
  mjr_freeContext(&p.context);
  mjr_freeContext(&p.stage_context);
  mjv_freeScene(&p.scene);
}

std::vector<Ball> Renderer::balls(const mjData_* data) const {
  const mjModel* model = parts_->model;
  std::vector<Ball> balls;
  for (int g = 0; g < model->ngeom; ++g) {
    if (!moves(model, g) || !parts_->drawn(g)) continue;
    balls.emplace_back();
    std::copy_n(data->geom_xpos + 3 * g, 3, balls.back().centre.begin());
    balls.back().radius = model->geom_rbound[g];
  }
  if (balls.empty()) balls.push_back({{0, 0, 0}, 1});
  return balls;
}

View Renderer::fit(const std::vector<Ball>& balls, double azimuth, double elevation) const {
  // MuJoCo's free camera: azimuth about z, from x; elevation negative where it looks down.
  const double a = azimuth * kPi / 180, e = elevation * kPi / 180;
  const std::array<std::array<double, 3>, 3> axes = {
      {{std::sin(a), -std::cos(a), 0},
       {-std::sin(e) * std::cos(a), -std::sin(e) * std::sin(a), std::cos(e)},
       {std::cos(e) * std::cos(a), std::cos(e) * std::sin(a), std::sin(e)}}};
  std::array<double, 3> low{}, high{};  // along the picture's right, its up, and the line of sight
  for (std::size_t i = 0; i < balls.size(); ++i) {
    for (std::size_t k = 0; k < 3; ++k) {
      double at = 0;
      for (std::size_t x = 0; x < 3; ++x) at += axes[k][x] * balls[i].centre[x];
      low[k] = i == 0 ? at - balls[i].radius : std::min(low[k], at - balls[i].radius);
      high[k] = i == 0 ? at + balls[i].radius : std::max(high[k], at + balls[i].radius);
    }
  }
  View view;
  view.azimuth = azimuth;
  view.elevation = elevation;
  for (std::size_t x = 0; x < 3; ++x) {
    view.target[x] = 0;
    for (std::size_t k = 0; k < 3; ++k) view.target[x] += 0.5 * (low[k] + high[k]) * axes[k][x];
  }
  const double tangent = std::tan(parts_->half_angle());
  const double wide = 0.5 * (high[0] - low[0]) / (tangent * parts_->aspect()),
               tall = 0.5 * (high[1] - low[1]) / tangent;
  // What is nearest looks largest: the box's front face must fit.
  view.distance = kMargin * std::max(wide, tall) + 0.5 * (high[2] - low[2]);
  return view;
}

double Renderer::reach(const View& view) const {
  return view.distance * std::tan(parts_->half_angle()) * std::max(1.0, parts_->aspect());
}

Image Renderer::frame(const mjData_* data) {
  return frame(data, fit(balls(data), View::kThreeQuarterView, View::kFromAbove));
}

Image Renderer::frame(const mjData_* data, const View& view) {
  Parts& p = *parts_;
  p.gl->make_current();
  mjvCamera camera;
  mjv_defaultCamera(&camera);
  camera.type = mjCAMERA_FREE;
  std::copy(view.target.begin(), view.target.end(), camera.lookat);
  camera.distance = view.distance;
  camera.azimuth = view.azimuth;
  camera.elevation = view.elevation;
  // MuJoCo only reads the state here; its signature serves perturbations too.
  mjv_updateScene(p.model, const_cast<mjData*>(data), &p.option, nullptr, &camera, mjCAT_ALL, &p.scene);
  p.dress(view, reach(view));
  const mjrRect viewport{0, 0, p.width, p.height};
  mjr_render(viewport, &p.scene, &p.context);
  mjr_readPixels(p.bottom_up.data(), nullptr, viewport, &p.context);
  Image image(p.width, p.height);
  const std::size_t row = 3 * static_cast<std::size_t>(p.width);
  for (int y = 0; y < p.height; ++y) {
    std::copy_n(p.bottom_up.data() + row * static_cast<std::size_t>(p.height - 1 - y), row, image.pixel(0, y));
  }
  return image;
}

}  // namespace stampede
