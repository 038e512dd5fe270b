#include "fusefs/views/view.h"

#include <algorithm>

namespace castool::fusefs {
namespace {

void add(Layout layout, const ViewInput& input, const ViewPart& part) {
  switch (layout) {
    case Layout::kOvms: return add_ovms_view(input, part);
    case Layout::kOllama: return add_ollama_view(input, part);
    case Layout::kHf: return add_hf_view(input, part);
    case Layout::kAll: break;
  }
  for (const Layout each : kLayouts) {
    const std::string name(word(each));
    // A reader that was pointed at it has to find it, also when nothing is in it yet.
    part.builder.add_directory(name);
    add(each, input, {part.builder, name + "/", part.newest, part.problems});
  }
}

}  // namespace

View make_view(Layout layout, const ViewInput& input) {
  View view;
  std::int64_t newest = 0;
  for (const manifest::RefRecord& record : input.records)
    newest = std::max(newest, record.pulled_at);
  TreeBuilder builder(word(layout), newest);
  add(layout, input, {builder, "", newest, view.problems});
  view.tree = builder.build();
  return view;
}

}  // namespace castool::fusefs
