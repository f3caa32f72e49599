(function_definition declarator: (_) @name body: (_) @body) @definition.function
(declaration declarator: (function_declarator) @name) @definition.function
(declaration declarator: (pointer_declarator (function_declarator)) @name) @definition.function
(declaration declarator: (reference_declarator (function_declarator)) @name) @definition.function
(class_specifier name: (_) @name body: (_) @body) @definition.class
(struct_specifier name: (_) @name body: (_) @body) @definition.struct
(union_specifier name: (_) @name body: (_) @body) @definition.struct
(enum_specifier name: (_) @name body: (_) @body) @definition.enum
(enumerator name: (identifier) @name) @definition.constant
(field_declaration declarator: (_) @name) @definition.field
(type_definition declarator: (type_identifier) @name) @definition.type
(alias_declaration name: (type_identifier) @name) @definition.type
(concept_definition name: (identifier) @name) @definition.type
(preproc_def name: (identifier) @name) @definition.macro
(preproc_function_def name: (identifier) @name) @definition.macro
(translation_unit (declaration declarator: (init_declarator declarator: (_) @name)) @definition.variable)
(namespace_definition name: (_) @name body: (_) @body) @scope

(comment) @comment
(template_declaration parameters: (template_parameter_list) @leading)

(preproc_include path: (_) @module) @import
(using_declaration (qualified_identifier) @module) @import
