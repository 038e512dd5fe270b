#include "fusefs/views/view.h"

namespace castool::fusefs {

View make_view(Layout layout, const ViewInput& input) {
  switch (layout) {
    case Layout::kOvms: return make_ovms_view(input);
    case Layout::kOllama: return make_ollama_view(input);
  }
  return {};
}

}  // namespace castool::fusefs
